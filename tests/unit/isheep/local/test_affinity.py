from types import SimpleNamespace

import pytest

from isheep.api.order import Step
from isheep.local.affinity import model_of, serves


def step(kind="respond", key="k", settings=None, **inputs):
    return Step(
        id=f"i1/{kind}",
        kind=kind,
        version=1,
        key=key,
        iteration=1,
        settings=settings or {},
        inputs=inputs,
    )


def order(*steps):
    return SimpleNamespace(steps=steps)


MODEL = {"model": {"baseModel": "a", "engine": "VLLM"}}


def test_orders_with_the_same_weights_and_engine_have_the_same_model():
    assert model_of(order(step(settings=MODEL))) == model_of(
        order(step("assess", "other", settings=MODEL))
    )


@pytest.mark.parametrize(
    "other",
    [
        step(settings={"model": {"baseModel": "a", "engine": "Transformers"}}),
        step(settings=MODEL, model=("merged",)),
        step("train"),
        step("curate"),
    ],
)
def test_other_weights_another_engine_or_none_at_all_are_another_model(other):
    assert model_of(order(other)) != model_of(order(step(settings=MODEL)))


def test_two_trainings_never_share_a_process():
    first, second = (model_of(order(step("train", key))) for key in ("a", "b"))
    assert not serves(first, second)


@pytest.mark.parametrize(
    ("loaded", "wanted", "verdict"),
    [
        (None, "m", True),
        ("m", "m", True),
        ("m", "n", False),
        ("m", None, True),
        (None, None, True),
    ],
)
def test_a_process_serves_what_it_has_loaded_and_what_loads_nothing(loaded, wanted, verdict):
    assert serves(loaded, wanted) is verdict
