from types import SimpleNamespace

import pytest

from isheep.contract.order import Step
from isheep.local.affinity import Model, load_may_follow, loaded_after, model_of, serves


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


def order(*steps, adapter_rank=None):
    return SimpleNamespace(steps=steps, runtime=SimpleNamespace(adapter_rank=adapter_rank))


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
def test_orders_with_other_weights_or_another_engine_have_another_model(other):
    assert model_of(order(other)) != model_of(order(step(settings=MODEL)))


@pytest.mark.parametrize("kind", ["train", "merge", "report"])
def test_no_load_follows_the_last_training(kind):
    assert load_may_follow(order(step(kind)), 2)
    assert not load_may_follow(order(step(kind)), 1)
    assert not load_may_follow(order(step("train"), step("merge")), 1)


@pytest.mark.parametrize("kind", ["prepare", "curate", "select", "measure"])
def test_a_load_may_follow_every_stage_before_a_training(kind):
    assert load_may_follow(order(step(kind)), 1)


def test_a_base_that_is_loaded_for_a_whole_run_serves_later_adapters():
    base = model_of(order(step(settings=MODEL), adapter_rank=8))
    settings = {"model": MODEL["model"] | {"handover": "Adapter"}}
    adapted = model_of(order(step(settings=settings, model=("one",)), adapter_rank=8))
    assert serves(base, adapted)
    assert not serves(model_of(order(step(settings=MODEL))), adapted)
    assert not model_of(order(step("train"), adapter_rank=8)).adapters
    assert model_of(order(step("curate"), adapter_rank=8)) is None


def test_two_trainings_never_share_a_process():
    first, second = (model_of(order(step("train", key))) for key in ("a", "b"))
    assert not serves(first, second)


def test_adapters_share_their_base_model_and_merged_weights_do_not():
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
    ("loaded", "wanted", "served"),
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
def test_a_process_serves_its_loaded_model_and_orders_without_a_model(loaded, wanted, served):
    assert serves(loaded, wanted) is served


@pytest.mark.parametrize(
    ("loaded", "wanted", "left"),
    [
        (None, None, None),
        (None, Model("m"), Model("m")),
        (Model("m"), None, Model("m")),
        (Model("m"), Model("n"), Model("n")),
        # The support for adapters stays loaded during an order for the base alone.
        (Model("m", adapters=True), Model("m"), Model("m", adapters=True)),
        (Model("m"), Model("m", adapters=True), Model("m", adapters=True)),
    ],
)
def test_the_loaded_model_after_an_order(loaded, wanted, left):
    assert loaded_after(loaded, wanted) == left
