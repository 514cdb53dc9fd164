from types import SimpleNamespace

import pytest

from isheep.contract.order import Step
from isheep.local.affinity import Model, after, loads_follow, model_of, serves


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


@pytest.mark.parametrize("kind", ["train", "merge", "report"])
def test_nothing_is_loaded_after_the_last_training(kind):
    assert loads_follow(order(step(kind)), 2)
    assert not loads_follow(order(step(kind)), 1)
    assert not loads_follow(order(step("train"), step("merge")), 1)


@pytest.mark.parametrize("kind", ["prepare", "curate", "select", "measure"])
def test_a_training_follows_all_others(kind):
    assert loads_follow(order(step(kind)), 1)


def test_two_trainings_never_share_a_process():
    first, second = (model_of(order(step("train", key))) for key in ("a", "b"))
    assert not serves(first, second)


def test_adapters_share_their_base_and_merged_weights_do_not():
    base = model_of(order(step(settings=MODEL)))
    first, second = (
        model_of(
            order(step(settings={"model": MODEL["model"] | {"handover": handover}}, model=(key,)))
        )
        for handover, key in (("Adapter", "one"), ("Adapter", "two"))
    )
    merged = model_of(
        order(step(settings={"model": MODEL["model"] | {"handover": "Merged"}}, model=("one",)))
    )
    assert first == second == Model(base.name, adapters=True)
    assert merged.name != base.name


@pytest.mark.parametrize(
    ("loaded", "wanted", "verdict"),
    [
        (None, Model("m"), True),
        (Model("m"), Model("m"), True),
        (Model("m"), Model("n"), False),
        (Model("m"), None, True),
        (None, None, True),
        (Model("m", adapters=True), Model("m", adapters=True), True),
        (Model("m", adapters=True), Model("m"), True),
        (Model("m"), Model("m", adapters=True), False),
        (Model("m", adapters=True), Model("n", adapters=True), False),
    ],
)
def test_a_process_serves_what_it_has_loaded_and_what_loads_nothing(loaded, wanted, verdict):
    assert serves(loaded, wanted) is verdict


@pytest.mark.parametrize(
    ("loaded", "given", "left"),
    [
        (None, None, None),
        (None, Model("m"), Model("m")),
        (Model("m"), None, Model("m")),
        (Model("m"), Model("n"), Model("n")),
        # The room for adapters stays while the base alone is asked.
        (Model("m", adapters=True), Model("m"), Model("m", adapters=True)),
        (Model("m"), Model("m", adapters=True), Model("m", adapters=True)),
    ],
)
def test_what_a_process_has_loaded_after_an_order(loaded, given, left):
    assert after(loaded, given) == left
