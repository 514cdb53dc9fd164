"""The assess stages of I-SHEEP: the assessor, its prompt format and its kind of scores."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.contract.prepared import ScoreLabelsRef
from isheep.recipes.builders.assess import assessor_formats, needs_expected_scores
from isheep.recipes.defaults import resolve

from .isheep_stages import all_accepted, spec_of, walk
from .stages_of import PREPARED

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
