"""The longest prompts of a run for each recipe, and the messages about too long prompts."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import ScoreLabelsRef
from isheep.recipes.defaults import instructions_field, resolve
from isheep.recipes.interface import Stage
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.registry import RECIPES
from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.preparation.prompt_lengths import (
    LongestPromptsOf,
    check_prompt_lengths,
    longest_prompts,
    measured_prompts,
)
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.stages.registry import longest_prompts_of
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary
from isheep_worker.templates.longest_prompts import Known, LongestPrompt

from ...isheep.recipes import stages_of

SEEDS = [SeedTask("a", "Name a bird.", "", ""), SeedTask("b", "Sort these words.", "c, b, a", "")]
LABELS = ScoreLabelsRef(kind="DigitsAfterSpace", token_ids=tuple(range(10)))
PREPARED = stages_of.PREPARED.model_copy(
    update={
        "seed_tasks_count": len(SEEDS),
        "score_templates_digest": "scores",
        "score_labels": {"Raw": LABELS, "Chat": LABELS},
    }
)


def spec_of(**fields: Any) -> SelfAlignmentRunSpec:
    required = {"recipe": "Dromedary", "iterations": 2, "model": {"storageUri": "hf://o/m"}}
    return resolve(SelfAlignmentRunSpec.read(required | fields))


def predicted(
    spec: SelfAlignmentRunSpec, **texts: str
) -> tuple[list[Stage], Known, LongestPromptsOf]:
    """Return the predicted stages and the material of prompts; a text's length is in words."""
    known = Known(
        library=TemplateLibrary({name.replace("_", "-"): text for name, text in texts.items()}),
        seed_tasks=SEEDS,
        length=lambda text: len(text.split()),
        instructions_field=f"{instructions_field(spec)}.sampling",
        response=spec.responses.sampling.max_tokens,
    )
    stages = list(predicted_stages(RECIPES[spec.recipe], spec, PREPARED))
    return stages, known, longest_prompts_of


def prompts(spec: SelfAlignmentRunSpec, **texts: str) -> list[LongestPrompt]:
    """Return the longest prompts that are made from Dromedary's own templates."""
    found = longest_prompts(*predicted(spec, **texts))
    return [one for one in found if one.template.startswith("dromedary-")]


ASSESSED = {"selection": {"method": "SelfAssessment"}}
SCORES = [("assess-combined", "assessment.sampling", 256, 1000)] * 2
LABELLED = [("score-combined", "responses.sampling", 1, 1000)] * 2


@pytest.mark.parametrize(
    ("fields", "measured"),
    [
        (
            {"recipe": "ISheep"},
            [
                ("instructions", "instructions.sampling", 1000, 0),
                ("response-raw", "responses.sampling", 1000, 0),
                *SCORES,
                ("instructions", "instructions.sampling", 1000, 0),
                ("response-chat", "responses.sampling", 1000, 0),
                *SCORES,
            ],
        ),
        (
            {"recipe": "ISheep", "iterations": 1, "selection": {"method": "None"}},
            [
                ("instructions", "instructions.sampling", 1000, 0),
                ("response-raw", "responses.sampling", 1000, 0),
            ],
        ),
        (
            {"recipe": "SelfInstruct", "iterations": 1},
            [
                ("self-instruct", "selfInstruct.sampling", 1024, 0),
                ("self-instruct-classify", None, 4, 0),
                ("self-instruct-input-first", "selfInstruct.instanceSampling", 350, 0),
                ("self-instruct-output-first", "selfInstruct.instanceSampling", 350, 0),
            ],
        ),
        (
            {"recipe": "Alpaca", "iterations": 1},
            [("alpaca", "alpaca.sampling", 3072, 0)],
        ),
        (
            {
                "recipe": "Alpaca",
                "iterations": 1,
                **ASSESSED,
                "assessment": {"scoring": "Expected"},
            },
            [("alpaca", "alpaca.sampling", 3072, 0), *LABELLED],
        ),
        (
            {"recipe": "Alpaca", "iterations": 1, **ASSESSED, "assessment": {"compare": 64}},
            [("alpaca", "alpaca.sampling", 3072, 0), *SCORES, *LABELLED],
        ),
    ],
)
def test_each_recipes_prompts_are_measured_in_the_order_of_its_stages(
    fields: dict[str, Any], measured: list[tuple[str, str | None, int, int]]
) -> None:
    found = longest_prompts(*predicted(spec_of(**fields)))
    assert [(one.template, one.field, one.answer, one.generated) for one in found] == measured


def test_stages_with_equal_settings_are_measured_once() -> None:
    of_three, of_six = (
        len(list(longest_prompts(*predicted(spec_of(recipe="ISheep", iterations=t)))))
        for t in (3, 6)
    )
    assert of_three == of_six


@pytest.mark.parametrize(
    ("recipe", "template", "message"),
    [
        (
            "ISheep",
            "response-raw",
            r"^responses\.sampling\.maxTokens: prompts of up to 4003 tokens "
            r"\(template 'response-raw'\) and 1000 for the answer do not fit the model's 5002; "
            "lower it, or use shorter or fewer examples or a model with a longer context$",
        ),
        (
            "ISheep",
            "assess-combined",
            r"^assessment\.sampling\.maxTokens: prompts of up to 5004 tokens "
            r"\(template 'assess-combined'\) and 256 for the answer do not fit the model's 5259; ",
        ),
        (
            "SelfInstruct",
            "self-instruct-classify",
            r"^promptsRef: prompts of up to 4003 tokens \(template 'self-instruct-classify'\) and "
            "4 for the answer do not fit the model's 4006; shorten that template, or use a model "
            "with a longer context$",
        ),
    ],
)
def test_a_prompt_that_just_fits_passes_and_the_message_about_a_longer_one_names_the_field(
    recipe: str, template: str, message: str
) -> None:
    variables = "{{ instruction }}"
    if template != "self-instruct-classify":
        variables += "{{ input }}"
    if template == "assess-combined":
        variables += "{{ response }} {{ level }}"
    text = "word " * 4000 + variables
    stages, known, function_of = predicted(spec_of(recipe=recipe), **{template: text})
    found = measured_prompts(stages, known, function_of)
    long = next(one for one in found if one.prompt.template == template)
    assert long.tokens == known.length(long.prompt.text) + long.prompt.generated
    whole = long.tokens + long.prompt.answer
    check_prompt_lengths(found, whole)
    with pytest.raises(BadInputError, match=message):
        check_prompt_lengths(found, whole - 1)


def test_every_kind_of_prompt_is_measured_with_the_longest_seed_task() -> None:
    sampling = {"sampling": {"maxTokens": 70}}
    found = prompts(spec_of(responses=sampling))
    assert [(one.field, one.answer) for one in found] == [
        ("instructions.sampling", 1000),
        ("instructions.sampling", 1000),
        ("responses.sampling", 70),
        ("responses.sampling", 70),
    ]
    topics, guided, principles, verbose = (one.text for one in found)
    assert topics.endswith("\n6.")
    assert guided.endswith("\n1.")
    assert principles.endswith("Request: Sort these words.\nc, b, a\nPrivate thoughts:")
    assert verbose.endswith("Sort these words.\n\nc, b, a")


@pytest.mark.parametrize(
    ("fields", "measured"),
    [
        ({"recipe": "ISheep"}, []),
        (
            {"iterations": 1},
            ["instructions.sampling", "instructions.sampling", "responses.sampling"],
        ),
        ({"dromedary": {"topicGuided": 0}}, ["responses.sampling", "responses.sampling"]),
    ],
)
def test_prompts_that_the_run_does_not_send_are_not_measured(
    fields: dict[str, Any], measured: list[str]
) -> None:
    found = prompts(spec_of(**fields))
    assert [one.field for one in found] == measured


@pytest.mark.parametrize(
    ("fields", "texts", "message"),
    [
        ({}, {"dromedary_seed_topics": "a\nb\n"}, "'dromedary-seed-topics' has 2 topics"),
        (
            {"instructions": {"examplesPerPrompt": 1}},
            {"dromedary_types": "Type: a\nAbout: b\nTopic: c\n1. d"},
            "'dromedary-types' has 1 types, but a prompt with spec.instructions.examplesPerPrompt "
            "examples needs 2",
        ),
    ],
)
def test_a_list_that_is_too_short_is_refused(
    fields: dict[str, Any], texts: dict[str, str], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        prompts(spec_of(**fields), **texts)


@pytest.mark.parametrize(
    ("fields", "texts", "message"),
    [
        ({"dromedary": {"exemplars": 16}}, {}, r"spec\.dromedary\.exemplars is 16"),
        ({}, {"dromedary_types": "Type: a"}, r"'dromedary-types', block 1"),
        ({}, {"dromedary_exemplars": "Request: a"}, r"'dromedary-exemplars', block 1"),
    ],
)
def test_a_list_with_an_invalid_form_is_refused(
    fields: dict[str, Any], texts: dict[str, str], message: str
) -> None:
    with pytest.raises(PromptTemplateError, match=message):
        prompts(spec_of(**fields), **texts)
