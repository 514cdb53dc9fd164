from isheep.local.positions import reached, unit


def test_the_training_counts_steps_and_every_other_stage_items():
    assert (unit("i1/train"), unit("i1/respond"), unit("prepare")) == ("step", "item", "item")
    assert reached("i2/train", 3, 8) == "step 3 of 8"
    assert reached("i2/train", 3, None) == "step 3"
    assert reached("i1/generate/r1", 64, 640) == "64 of 640 items"
