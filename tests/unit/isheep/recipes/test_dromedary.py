"""The stages of Dromedary: three collections in step 1, over one pool, and two iterations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes.dromedary import Dromedary
from isheep.recipes.interface import End, Stage, Statistics

from .stages_of import stages_of

COUNTS: Mapping[str, int] = {"topics": 100, "topicGuided": 400, "exemplars": 3}
RESULTS: Mapping[str, Statistics] = {
    "i1/topics/r1": {"accepted": 60},
    "i1/topics/r2": {"accepted": 100},
    "i1/curate/r3": {"accepted": 1000},
    "i1/curate/r4": {"accepted": 1300},
    "i1/curate/r5": {"accepted": 1400},
    "i1/select": {"kept": 900},
    "i2/select": {"kept": 900},
}


def spec_of(**fields: Any) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(
        {
            "recipe": "Dromedary",
            "iterations": 2,
            "model": {"storageUri": "hf://o/m"},
            "instructions": {"count": 1000},
            "dromedary": COUNTS,
            **fields,
        }
    )


def walk(
    spec: SelfAlignmentRunSpec, results: Mapping[str, Statistics] = RESULTS
) -> tuple[dict[str, Stage], End]:
    return stages_of(Dromedary(), spec, results)


def test_both_iterations_have_their_stages_in_order() -> None:
    stages, end = walk(spec_of())
    assert list(stages) == [
        "prepare",
        *(f"i1/{kind}/r{n}" for n in (1, 2) for kind in ("generate", "topics")),
        *(f"i1/{kind}/r{n}" for n in (3, 4, 5) for kind in ("generate", "curate")),
        *(f"i1/{kind}" for kind in ("respond", "select", "train", "merge", "report")),
        *(f"i2/{kind}" for kind in ("respond", "select", "train", "merge", "report")),
    ]
    assert end == End(complete=True)


def test_one_iteration_ends_with_the_model_trained_on_principles() -> None:
    stages, end = walk(spec_of(iterations=1))
    assert list(stages)[-1] == "i1/report"
    assert end.complete


@pytest.mark.parametrize(
    "last", ["i1/topics/r1", "i1/curate/r3", "i1/curate/r5", "i1/select", "i2/select"]
)
def test_the_recipe_ends_with_the_stage_whose_result_is_missing(last: str) -> None:
    stages, end = walk(spec_of(), {k: v for k, v in RESULTS.items() if k != last})
    assert list(stages)[-1] == last
    assert end == End(complete=False)


def test_topics_come_before_topic_guided_instructions() -> None:
    stages, _ = walk(spec_of())
    lists = {s.round: s.settings.canonical().get("taskList") for s in of_kind(stages, "generate")}
    assert lists == {1: "Topics", 2: "Topics", 3: None, 4: "TopicGuided", 5: "TopicGuided"}
    assert stages["i1/topics/r2"].inputs == {
        "completions": ("i1/generate/r2",),
        "accepted": ("i1/topics/r1",),
    }
    assert stages["i1/generate/r3"].inputs == {}
    assert stages["i1/generate/r4"].inputs == {"topics": ("i1/topics/r2",)}
    # Round 1 of each collection has an eighth of the count; later rounds have the missing part.
    items = {stage.round: stage.items for stage in of_kind(stages, "generate")}
    assert items == {1: 13, 2: 10, 3: 125, 4: 50, 5: 19}


def of_kind(stages: Mapping[str, Stage], kind: str) -> list[Stage]:
    return [stage for stage in stages.values() if stage.kind == kind]


def test_both_kinds_of_instructions_are_in_one_pool() -> None:
    stages, _ = walk(spec_of())
    assert "accepted" not in stages["i1/curate/r3"].inputs
    assert stages["i1/curate/r4"].inputs["accepted"] == ("i1/curate/r3",)
    counts = {s.round: s.settings.canonical()["count"] for s in of_kind(stages, "curate")}
    assert counts == {3: 1000, 4: 1400, 5: 1400}
    for t in (1, 2):
        assert stages[f"i{t}/respond"].inputs["instructions"] == ("i1/curate/r5",)


def test_curate_depends_on_templates_only_for_topic_guided_instructions() -> None:
    stages, _ = walk(spec_of())
    settings = [stages[f"i1/curate/r{n}"].settings.canonical() for n in (3, 4)]
    assert [one.get("templates") for one in settings] == [None, "templates"]
    assert [one.get("taskList") for one in settings] == [None, "TopicGuided"]


def test_the_base_model_answers_with_principles_and_m1_answers_verbosely() -> None:
    stages, _ = walk(spec_of())
    first, second = stages["i1/respond"], stages["i2/respond"]
    assert (first.model, second.model) == ("", "i1/merge")
    assert (first.items, second.items) == (1400, 1400)
    one, two = first.settings.canonical(), second.settings.canonical()
    assert (one["asking"], one["exemplars"], one["promptFormat"]) == ("Principles", 3, "Raw")
    assert (two["asking"], two["promptFormat"]) == ("Verbose", "Chat")
    assert "exemplars" not in two
    assert one["drawn"] is two["drawn"] is True


@pytest.mark.parametrize("promptFormat", ["RawThenChat", "Chat", "Raw"])
def test_training_uses_the_plain_prompt_of_the_next_iteration(promptFormat: str) -> None:
    stages, _ = walk(spec_of(responses={"promptFormat": promptFormat}))
    expected = "Raw" if promptFormat == "Raw" else "Chat"
    for t in (1, 2):
        settings = stages[f"i{t}/train"].settings.canonical()
        assert settings["promptFormat"] == expected
        assert "asking" not in settings
    assert stages["i1/respond"].settings.canonical()["promptFormat"] == "Raw"


@pytest.mark.parametrize(("verbose", "items"), [(None, 1400), (500, 500), (9999, 1400)])
def test_verbose_limits_the_instructions_of_iteration_2(verbose: int | None, items: int) -> None:
    stages, _ = walk(spec_of(dromedary={**COUNTS, "verbose": verbose}))
    assert stages["i2/respond"].items == items
    assert stages["i1/respond"].items == 1400


@pytest.mark.parametrize(
    ("start", "model"), [("Base", None), ("Previous", ("i1/merge",))], ids=["base", "previous"]
)
def test_start_from_determines_the_base_of_the_verbose_clone(
    start: str, model: tuple[str] | None
) -> None:
    stages, _ = walk(spec_of(training={"startFrom": start}))
    assert stages["i2/train"].inputs.get("model") == model
    assert stages["i1/train"].inputs == {"data": ("i1/select",)}


def test_without_red_teaming_there_are_no_topics() -> None:
    results = {**RESULTS, "i1/curate/r1": {"accepted": 1000}}
    stages, end = walk(spec_of(dromedary={"topicGuided": 0}), results)
    assert list(stages)[:4] == ["prepare", "i1/generate/r1", "i1/curate/r1", "i1/respond"]
    assert stages["i1/respond"].items == 1000
    assert end.complete


def test_a_spec_without_settings_of_the_recipe_has_their_defaults() -> None:
    spec = spec_of(dromedary=None)
    stages, _ = walk(spec, {"i1/topics/r1": {"accepted": 1000}, **RESULTS})
    assert stages["i1/topics/r1"].settings.canonical()["count"] == 1000


def test_pairs_are_scored_if_the_selection_needs_scores() -> None:
    stages, end = walk(spec_of(selection={"method": "SelfAssessment", "minSamples": 1}))
    assert stages["i2/assess"].items == 1400
    assert stages["i2/select"].inputs["scores"] == ("i2/assess",)
    assert end.complete


@pytest.mark.parametrize(
    ("rounds", "parts"),
    [
        (
            {f"i1/topics/r{n}": {"accepted": n, "drop:repeated-topic": 9} for n in (1, 2, 3)},
            ["3 of 100 topics accepted", "repeated-topic 27", "lower dromedary.topics"],
        ),
        (
            {
                **{k: RESULTS[k] for k in ("i1/topics/r1", "i1/topics/r2", "i1/curate/r3")},
                **{f"i1/curate/r{n}": {"accepted": 997 + n, "drop:rouge-l": 5} for n in (4, 5, 6)},
            },
            ["3 of 400 topic-guided instructions", "rouge-l 15", "lower dromedary.topicGuided"],
        ),
    ],
)
def test_a_low_keep_rate_names_the_items_and_the_field_to_lower(
    rounds: dict[str, Statistics], parts: list[str]
) -> None:
    _, end = walk(spec_of(), rounds)
    assert end.failure is not None
    assert end.failure.reason == "KeepRateTooLow"
    for part in parts:
        assert part in end.failure.message
