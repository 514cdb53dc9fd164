"""The stages of I-SHEEP: order, inputs, models and settings, for every variant in the paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared, ScoreLabelsRef
from isheep.recipes.builders.assess import assessor_formats, needs_expected_scores
from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.defaults import resolve
from isheep.recipes.interface import End, Stage, Statistics
from isheep.recipes.isheep import ISheep

from .stages_of import PREPARED, stages_of

TWO_ITERATIONS = [
    "prepare",
    *(
        f"i{t}/{stage}"
        for t in (1, 2)
        for stage in (
            "generate/r1",
            "curate/r1",
            "respond",
            "assess",
            "select",
            "train",
            "merge",
            "report",
        )
    ),
]


def spec_of(**fields: Any) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(
        {"recipe": "ISheep", "iterations": 2, "model": {"storageUri": "hf://o/m"}, **fields}
    )


def walk(
    spec: SelfAlignmentRunSpec,
    results: Mapping[str, Statistics],
    prepared: Prepared | None = PREPARED,
) -> tuple[dict[str, Stage], End]:
    """Return the stages by id, and how the recipe ended. `results` are the results by stage id."""
    return stages_of(ISheep(), spec, results, prepared)


def all_accepted(iterations: int, count: int = 10000) -> dict[str, Statistics]:
    results: dict[str, Statistics] = {}
    for t in range(1, iterations + 1):
        results[f"i{t}/curate/r1"] = {"accepted": count}
        results[f"i{t}/select"] = {"kept": 500, "meanScore": 9.1}
    return results


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
    ("assessor", "model", "chat"),
    [("Base", "", "Raw"), ("Previous", "i1/merge", "Chat")],
)
def test_the_assessor_is_the_base_model_or_the_previous_model(
    assessor: str, model: str, chat: str
) -> None:
    stages, _ = walk(spec_of(assessment={"assessor": assessor}), all_accepted(2))
    assess = stages["i2/assess"]
    assert assess.model == model
    assert assess.inputs.get("model", ("",)) == (model,)
    assert assess.settings.canonical()["promptFormat"] == chat
    # In iteration 1, both assessors are M(0), so the runs share the artifact.
    assert stages["i1/assess"].model == ""
    assert stages["i1/assess"].settings.canonical()["promptFormat"] == "Raw"


LABELLED = PREPARED.model_copy(
    update={
        "score_templates_digest": "score templates",
        "score_labels": {
            "Raw": ScoreLabelsRef(kind="DigitsAfterSpace", token_ids=tuple(range(10))),
            "Chat": ScoreLabelsRef(kind="LettersAfterNewline", token_ids=tuple(range(20, 30))),
        },
    }
)


@pytest.mark.parametrize(
    "assessment", [{"scoring": "Expected"}, {"scoring": "Sampled", "compare": 64}]
)
def test_expected_scores_have_the_labels_for_the_assessors_format(
    assessment: dict[str, Any],
) -> None:
    spec = spec_of(assessment={**assessment, "rubric": "InContext", "exampleOrder": "Shuffled"})
    stages, _ = walk(spec, all_accepted(2), LABELLED)
    settings = [stages[f"i{t}/assess"].settings.canonical() for t in (1, 2)]
    assert [s["labels"]["kind"] for s in settings] == ["DigitsAfterSpace", "LettersAfterNewline"]
    assert settings[1]["labels"]["tokenIds"] == list(range(20, 30))
    assert settings[0]["scoreTemplates"] == "score templates"
    assert settings[0]["exampleOrder"] == "Shuffled"
    assert settings[0].get("compare") == assessment.get("compare")
    # Earlier stages do not depend on the scoring.
    sampled, _ = walk(spec_of(), all_accepted(2))
    assert stages["i1/respond"] == sampled["i1/respond"]


@pytest.mark.parametrize(
    ("scoring", "wanted"),
    [
        ({}, {"parsing": "Strict", "explanations": 5}),
        ({"scoring": "Expected"}, {}),
        ({"scoring": "Expected", "compare": 64}, {"parsing": "Strict", "explanations": 5}),
    ],
)
def test_only_sampled_scores_have_settings_for_answers(
    scoring: dict[str, Any], wanted: dict[str, Any]
) -> None:
    spec = spec_of(assessment={**scoring, "parsing": "Strict", "explanations": 5})
    settings = walk(spec, all_accepted(2), LABELLED)[0]["i1/assess"].settings.canonical()
    assert {k: v for k, v in settings.items() if k in ("parsing", "explanations")} == wanted


def test_sampled_scores_have_no_settings_for_labels() -> None:
    for prepared in (PREPARED, LABELLED):
        stages, _ = walk(spec_of(), all_accepted(2), prepared)
        settings = stages["i1/assess"].settings.canonical()
        assert not {"labels", "scoreTemplates", "exampleOrder", "compare"} & settings.keys()


@pytest.mark.parametrize(
    ("fields", "formats"),
    [
        ({}, ("Raw", "Chat")),
        ({"assessor": "Base"}, ("Raw",)),
        ({"promptFormat": "Chat"}, ("Chat",)),
        ({"promptFormat": "Raw"}, ("Raw",)),
    ],
)
def test_labels_are_needed_for_the_formats_of_the_assessors_prompts(
    fields: dict[str, str], formats: tuple[str, ...]
) -> None:
    assert assessor_formats(spec_of(assessment=fields)) == formats
    assert assessor_formats(spec_of(iterations=1, assessment=fields)) == formats[:1]
    assert not needs_expected_scores(resolve(spec_of(assessment=fields)))
    assert needs_expected_scores(resolve(spec_of(assessment={**fields, "scoring": "Expected"})))
    assert not needs_expected_scores(
        spec_of(assessment={**fields, "scoring": "Expected"}, selection={"method": "None"})
    )


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


@pytest.mark.parametrize("method", ["Random", "None"])
def test_without_an_assessor_select_applies_the_pair_rules(method: str) -> None:
    selection = {"method": method, **({"random": {"size": 70}} if method == "Random" else {})}
    stages, end = walk(spec_of(selection=selection), all_accepted(2))
    assert [s for s in stages if "assess" in s] == []
    assert stages["i1/select"].inputs == {"pairs": ("i1/respond",)}
    settings = stages["i1/select"].settings.canonical()
    assert settings["rules"] == "ISheep"
    assert "threshold" not in settings
    assert settings.get("size") == (70 if method == "Random" else None)
    assert "i1/assess" not in stages["i2/report"].inputs
    assert end.complete


CLUSTERS = {"clusters": 3000}
LEVELS = {"levels": ["Quality", "Following"], "threshold": 8}


@pytest.mark.parametrize(
    ("selection", "judge", "vectors", "settings"),
    [
        ({"method": "SelfAssessment"}, "assess", None, LEVELS),
        ({"method": "Perplexity"}, "measure", False, {"maxPerplexity": 50.0}),
        (
            {"method": "Perplexity", "perplexity": {"max": 9}},
            "measure",
            False,
            {"maxPerplexity": 9.0},
        ),
        ({"method": "Density"}, "measure", True, CLUSTERS),
        ({"method": "Density", "density": {"clusters": 80}}, "measure", True, {"clusters": 80}),
        ({"method": "DensityPerplexity"}, "measure", True, CLUSTERS),
        (
            {"method": "Random", "random": {"sizeOf": "SelfAssessment"}},
            "assess",
            None,
            {**LEVELS, "sizeOf": "SelfAssessment"},
        ),
        (
            {"method": "Random", "random": {"sizeOf": "Perplexity"}, "perplexity": {"max": 9}},
            "measure",
            False,
            {"maxPerplexity": 9.0, "sizeOf": "Perplexity"},
        ),
        (
            {"method": "Random", "random": {"sizeOf": "Density"}},
            "measure",
            True,
            {**CLUSTERS, "sizeOf": "Density"},
        ),
    ],
)
def test_each_selection_method_has_its_stages_and_settings(
    selection: dict[str, Any], judge: str, vectors: bool | None, settings: dict[str, Any]
) -> None:
    stages, end = walk(spec_of(selection=selection), all_accepted(2))
    assert list(stages) == [name.replace("/assess", f"/{judge}") for name in TWO_ITERATIONS]
    assert end.complete
    role = "scores" if judge == "assess" else "measures"
    select = stages["i2/select"]
    assert select.inputs == {"pairs": ("i2/respond",), role: (f"i2/{judge}",)}
    method = {"method": selection["method"], "randomSeed": 0}
    assert select.settings.canonical() == {"levels": [], **method, **settings}
    assert stages[f"i2/{judge}"].settings.canonical().get("vectors") == vectors
    assert f"i2/{judge}" in stages["i2/report"].inputs


def test_the_model_that_wrote_a_response_measures_it_with_the_same_prompt() -> None:
    stages, _ = walk(spec_of(selection={"method": "Perplexity"}), all_accepted(2))
    for t in (1, 2):
        respond, measure = stages[f"i{t}/respond"], stages[f"i{t}/measure"]
        assert (measure.model, measure.items) == (respond.model, respond.items)
        assert measure.pool == respond.pool
        written, measured = respond.settings.canonical(), measure.settings.canonical()
        assert measured["model"] == written["model"]
        assert measured["promptFormat"] == written["promptFormat"]
        assert measured["rules"] == "ISheep"


def test_runs_that_differ_only_in_the_selection_share_their_measures() -> None:
    def measured(**selection: Any) -> Stage:
        return walk(spec_of(selection=selection), all_accepted(1))[0]["i1/measure"]

    assert measured(method="Perplexity") == measured(method="Perplexity", perplexity={"max": 9})
    density = measured(method="Density")
    assert density == measured(method="DensityPerplexity", density={"clusters": 80})
    assert density != measured(method="Perplexity")


@pytest.mark.parametrize(
    ("selection", "given"),
    [
        ({"method": "Perplexity"}, "Nothing"),
        ({"method": "Perplexity", "perplexity": {"given": "Prompt"}}, None),
        ({"method": "Random", "random": {"sizeOf": "Perplexity"}}, "Nothing"),
        ({"method": "Density"}, None),
        ({"method": "DensityPerplexity"}, None),
    ],
)
def test_only_the_method_perplexity_measures_plain_texts(
    selection: dict[str, Any], given: str | None
) -> None:
    stages, _ = walk(spec_of(selection=selection), all_accepted(1))
    assert stages["i1/measure"].settings.canonical().get("given") == given


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


def curates(*accepted: int) -> dict[str, Statistics]:
    return {
        f"i1/curate/r{n}": {"accepted": a, "drop:rouge-l": 10 * n, "drop:length": 1}
        for n, a in enumerate(accepted, 1)
    }


def test_a_low_keep_rate_fails_after_three_rounds_with_the_counts() -> None:
    stages, end = walk(spec_of(), curates(10, 20, 30))
    assert list(stages)[-1] == "i1/curate/r3"
    assert end.failure is not None
    assert end.failure.reason == "KeepRateTooLow"
    assert "30 of 10000 instructions accepted from 11250 completions in 3 rounds" in (
        end.failure.message
    )
    assert "rouge-l 60, length 3" in end.failure.message
    _, undecided = walk(spec_of(), curates(10, 20))
    assert undecided == End(complete=False)


def test_the_message_about_a_low_keep_rate_says_that_the_language_may_be_wrong() -> None:
    chinese = {"accepted": 2, "drop:first-character": 982, "drop:length": 16, "drop:parse-cut": 3}
    rounds: dict[str, Statistics] = {f"i1/curate/r{n}": chinese for n in (1, 2, 3)}
    _, end = walk(spec_of(), rounds)
    assert end.failure is not None
    assert (
        "2,946 of 2,996 instructions are not ASCII or begin with punctuation: if they are not in "
        "English, set language to their language. Loosen curation"
    ) in end.failure.message
    _, other = walk(spec_of(), curates(10, 20, 30))
    assert other.failure is not None
    assert "ASCII" not in other.failure.message


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


def test_a_low_keep_rate_continues_if_the_rounds_are_enough() -> None:
    # The yield is 0.16 per completion, so 5000 completions in a round give 800 instructions.
    rounds = curates(200, 1000, 1800)
    _, end = walk(spec_of(instructions={"maxRounds": 14}), rounds)
    assert end == End(complete=False)
    _, end = walk(spec_of(instructions={"maxRounds": 13}), rounds)
    assert end.failure is not None


@pytest.mark.parametrize("most", [1, 2])
def test_with_fewer_than_three_rounds_the_keep_rate_is_judged_after_the_last(most: int) -> None:
    accepted = [4000, 8000][:most]
    _, end = walk(spec_of(instructions={"maxRounds": most}), curates(*accepted))
    assert end.failure is not None
    assert end.failure.reason == "KeepRateTooLow"


@pytest.mark.parametrize(
    ("kept", "least", "fails"), [(63, 64, True), (64, 64, False), (0, 1, True)]
)
def test_too_few_kept_pairs_fail_the_run_before_training(
    kept: int, least: int, fails: bool
) -> None:
    results = {**all_accepted(1), "i1/select": {"kept": kept, "drop:threshold": 9937}}
    stages, end = walk(spec_of(selection={"minSamples": least}), results)
    assert (end.failure is not None) == fails
    assert ("i1/train" in stages) != fails
    if end.failure is not None:
        assert end.failure.reason == "TooFewSamples"
        assert f"{kept} pairs were kept" in end.failure.message
        assert "threshold 9937" in end.failure.message


@pytest.mark.parametrize(
    ("selection", "advice"),
    [
        ({}, "Lower selection.threshold. Lower"),
        ({"method": "Perplexity"}, "Raise selection.perplexity.max. Lower"),
        ({"method": "Density"}, "Raise selection.density.clusters. Lower"),
        ({"method": "None"}, "threshold 9937. Lower selection.minSamples"),
    ],
)
def test_the_advice_for_too_few_pairs_depends_on_the_selection_method(
    selection: dict[str, Any], advice: str
) -> None:
    results = {**all_accepted(1), "i1/select": {"kept": 63, "drop:threshold": 9937}}
    _, end = walk(spec_of(selection=selection), results)
    assert end.failure is not None
    assert advice in end.failure.message


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
