"""The stages of I-SHEEP: order, inputs, models and settings, for every variant in the paper."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.interface import End

from .isheep_stages import TWO_ITERATIONS, all_accepted, spec_of, walk


def test_without_the_result_of_prepare_there_is_no_other_stage() -> None:
    stages, end = walk(spec_of(), {}, prepared=None)
    assert list(stages) == ["prepare"]
    assert end == End(complete=False)


def test_both_iterations_have_their_stages_in_order() -> None:
    stages, end = walk(spec_of(), all_accepted(2))
    assert list(stages) == TWO_ITERATIONS
    assert end == End(complete=True)


@pytest.mark.parametrize(
    ("missing", "last"),
    [
        ("i1/curate/r1", "i1/curate/r1"),
        ("i1/select", "i1/select"),
        ("i2/curate/r1", "i2/curate/r1"),
        ("i2/select", "i2/select"),
    ],
)
def test_the_recipe_ends_with_the_stage_whose_result_is_missing(missing: str, last: str) -> None:
    results = {k: v for k, v in all_accepted(2).items() if k != missing}
    stages, end = walk(spec_of(), results)
    assert list(stages)[-1] == last
    assert end == End(complete=False)


def test_rounds_read_the_pool_of_the_previous_round() -> None:
    results = {
        "i1/curate/r1": {"accepted": 4000},
        "i1/curate/r2": {"accepted": 9000},
        "i1/curate/r3": {"accepted": 10000},
    }
    stages, _ = walk(spec_of(), results)
    assert list(stages)[1:8] == [
        "i1/generate/r1",
        "i1/curate/r1",
        "i1/generate/r2",
        "i1/curate/r2",
        "i1/generate/r3",
        "i1/curate/r3",
        "i1/respond",
    ]
    assert "accepted" not in stages["i1/curate/r1"].inputs
    assert stages["i1/curate/r3"].inputs == {
        "completions": ("i1/generate/r3",),
        "accepted": ("i1/curate/r2",),
    }
    assert stages["i1/respond"].inputs == {"instructions": ("i1/curate/r3",)}
    assert stages["i1/respond"].items == 10000
    assert stages["i1/generate/r1"].items == 1250
    # 1.1 * 6000 / 3.2
    assert stages["i1/generate/r2"].items == 2063


@pytest.mark.parametrize(
    ("variant", "training", "start", "data"),
    [
        ("One_base", {}, None, ("i2/select",)),
        ("One_last", {"startFrom": "Previous"}, ("i1/merge",), ("i2/select",)),
        ("Total_base", {"data": "All"}, None, ("i1/select", "i2/select")),
    ],
)
def test_each_variant_trains_its_model_on_its_data(
    variant: str, training: dict[str, str], start: tuple[str] | None, data: tuple[str, ...]
) -> None:
    stages, _ = walk(spec_of(training=training), all_accepted(2))
    assert list(stages) == TWO_ITERATIONS
    train, merge = stages["i2/train"], stages["i2/merge"]
    assert train.inputs.get("model") == start
    assert train.inputs["data"] == data
    assert merge.inputs["adapter"] == ("i2/train",)
    assert merge.inputs.get("model") == start
    assert stages["i1/train"].inputs == {"data": ("i1/select",)}


def test_direct_is_one_iteration_with_a_larger_count() -> None:
    spec = spec_of(iterations=1, instructions={"count": 30000})
    stages, end = walk(spec, all_accepted(1, 30000))
    assert list(stages) == TWO_ITERATIONS[:9]
    assert stages["i1/generate/r1"].items == 3750
    assert end.complete


@pytest.mark.parametrize(
    ("wanted", "respond", "train"),
    [
        ("RawThenChat", ["Raw", "Chat"], ["Chat", "Chat"]),
        ("Raw", ["Raw", "Raw"], ["Raw", "Raw"]),
        ("Chat", ["Chat", "Chat"], ["Chat", "Chat"]),
    ],
)
def test_training_uses_the_format_of_the_next_iteration(
    wanted: str, respond: list[str], train: list[str]
) -> None:
    stages, _ = walk(spec_of(responses={"promptFormat": wanted}), all_accepted(2))
    for t in (1, 2):
        settings = stages[f"i{t}/respond"].settings.canonical()
        assert settings["promptFormat"] == respond[t - 1]
        assert stages[f"i{t}/train"].settings.canonical()["promptFormat"] == train[t - 1]


@pytest.mark.parametrize(("pool", "inputs"), [("Iteration", None), ("Run", ("i1/curate/r1",))])
def test_the_deduplication_pool_contains_earlier_iterations_if_it_is_the_run(
    pool: str, inputs: tuple[str] | None
) -> None:
    spec = spec_of(curation={"deduplication": {"pool": pool}})
    stages, _ = walk(spec, all_accepted(2))
    assert stages["i2/curate/r1"].inputs.get("pool") == inputs
    assert "pool" not in stages["i1/curate/r1"].inputs


def test_handover_adapter_has_no_merge_stage() -> None:
    stages, end = walk(spec_of(training={"handover": "Adapter"}), all_accepted(2))
    assert [s for s in stages if "merge" in s] == []
    respond = stages["i2/respond"]
    assert respond.model == "i1/train"
    assert respond.inputs["model"] == ("i1/train",)
    assert respond.settings.canonical()["model"]["handover"] == "Adapter"
    assert end.complete


def test_a_report_reads_all_stages_so_far() -> None:
    results = {**all_accepted(2), "i1/curate/r1": {"accepted": 5000}}
    results["i1/curate/r2"] = {"accepted": 10000}
    stages, _ = walk(spec_of(), results)
    shown = {i for ids in stages["i2/report"].inputs.values() for i in ids}
    assert shown == {s for s in stages if s != "prepare" and not s.endswith("report")}


def test_kept_cut_responses_are_a_setting_of_the_stages_that_apply_the_rules() -> None:
    kept = walk(spec_of(responses={"cut": "Keep"}), all_accepted(1))[0]
    dropped = walk(spec_of(), all_accepted(1))[0]
    assert kept["i1/assess"].settings.canonical()["cut"] == "Keep"
    assert "cut" not in kept["i1/select"].settings.canonical()
    assert "cut" not in dropped["i1/assess"].settings.canonical()
    rules_only = spec_of(responses={"cut": "Keep"}, selection={"method": "None"})
    assert walk(rules_only, all_accepted(1))[0]["i1/select"].settings.canonical()["cut"] == "Keep"
    measured = spec_of(responses={"cut": "Keep"}, selection={"method": "Perplexity"})
    stages = walk(measured, all_accepted(1))[0]
    assert stages["i1/measure"].settings.canonical()["cut"] == "Keep"


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        # A run that is older than these fields has their defaults.
        ({}, {}),
        ({"checkpoint": "LowestValidationLoss", "evaluationSteps": 100}, {}),
        ({"checkpoint": "Last"}, {"checkpoint": "Last"}),
        ({"evaluationSteps": 50}, {"evaluationSteps": 50}),
        # No pair is held out, so the model is not evaluated.
        ({"checkpoint": "Last", "evaluationSteps": 50, "validationShare": 0}, {}),
    ],
)
def test_settings_of_the_evaluation_are_in_the_key_only_if_they_matter(
    training: dict[str, Any], expected: dict[str, Any]
) -> None:
    stages, _ = walk(spec_of(training=training), all_accepted(1))
    settings = stages["i1/train"].settings.canonical()
    found = {n: settings[n] for n in ("checkpoint", "evaluationSteps") if n in settings}
    assert found == expected


def test_fields_for_machines_and_names_change_no_stage() -> None:
    plain = spec_of()
    other = spec_of(
        suspend=True,
        activeDeadlineSeconds=100,
        serviceAccountName="runner",
        storage={"s3": {"bucket": "bucket"}},
        model={"storageUri": "hf://o/m", "secretRef": {"name": "hf"}},
        engine={"vllm": {"tensorParallelSize": 8, "enforceEager": True, "maxNumSeqs": 3}},
        training={"numNodes": 4},
        compute={"inference": {"parallelism": 8}},
    )
    assert data_fields(plain) == data_fields(other)
    assert walk(plain, all_accepted(2)) == walk(other, all_accepted(2))
