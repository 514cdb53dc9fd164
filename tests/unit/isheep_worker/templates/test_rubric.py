"""The prompts for scores, and the constrained answers."""

import re

import pytest

from isheep.contract.choices import Rubric
from isheep_worker.templates.labels import LABEL_SETS, label_set
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.rubric import (
    CONSTRAINED_ANSWER,
    TEMPLATE_OF,
    assessment_prompt,
    label_prompt,
)
from isheep_worker.templates.score import parse_score

LIBRARY = TemplateLibrary()
RUBRICS = list(TEMPLATE_OF)


def prompt(rubric: Rubric, level="Quality", instruction="Add.", input_text="1 2", response="3"):
    return assessment_prompt(
        LIBRARY,
        rubric,
        level,
        instruction=instruction,
        input_text=input_text,
        response=response,
    )


@pytest.mark.parametrize("rubric", RUBRICS)
def test_a_prompt_is_header_pair_and_question(rubric: Rubric):
    quality, following = prompt(rubric), prompt(rubric, "Following")
    pair = "\nTask: Add.\nInput: 1 2\nResponse: 3\n"
    header = quality.partition(pair)[0]
    assert quality != following
    assert following.startswith(header + pair)
    assert prompt(rubric, instruction="Other.", input_text="", response="x").startswith(header)
    assert "score||explanation" in header
    assert quality.endswith("\nAnswer (score||explanation):\n")


def test_combined_adds_criteria_to_simple():
    for criterion in ("verbosity", "format", "ambiguity"):
        assert criterion in prompt("Combined").lower()
        assert criterion not in prompt("Simple").lower()


def test_incontext_shows_three_scored_pairs():
    scores = re.findall(r"^(\d+)\|\|[^\n]+$", prompt("InContext"), re.MULTILINE)
    assert scores == ["6", "1", "10"]


def test_a_pair_without_input_has_no_input_line():
    assert "Input:" not in prompt("Combined", input_text=" ")


def prompt_for_label(rubric: Rubric, kind="DigitsAfterSpace", level="Quality", response="3"):
    return label_prompt(
        LIBRARY,
        rubric,
        level,
        label_set(kind),
        instruction="Add.",
        input_text="1 2",
        response=response,
    )


@pytest.mark.parametrize("labels", LABEL_SETS, ids=lambda labels: labels.kind)
@pytest.mark.parametrize("rubric", RUBRICS)
def test_label_prompts_have_the_same_layout_and_explain_the_labels(rubric: Rubric, labels):
    quality = prompt_for_label(rubric, labels.kind)
    following = prompt_for_label(rubric, labels.kind, "Following")
    pair = "\nTask: Add.\nInput: 1 2\nResponse: 3\n"
    header = quality.partition(pair)[0]
    assert quality != following
    assert following.startswith(header + pair)
    assert labels.legend in header
    assert f"from {labels.labels[0]} (useless) to {labels.labels[9]} (could" in header
    assert "||" not in quality
    assert quality.endswith("?\n")


@pytest.mark.parametrize("labels", LABEL_SETS, ids=lambda labels: labels.kind)
def test_the_answers_of_the_examples_are_the_labels_of_6_1_and_10(labels):
    text = prompt_for_label("InContext", labels.kind)
    found = re.findall(rf"^{labels.begin}(\w)\n\n", text, re.MULTILINE)
    assert found == [labels.labels[score - 1] for score in (6, 1, 10)]


def test_label_prompts_show_the_same_examples_as_prompts_for_sampled_scores():
    def examples(text: str) -> list[str]:
        return re.findall(r"^(?:Task|Input|Response): .+$", text, re.MULTILINE)

    assert examples(prompt_for_label("InContext")) == examples(prompt("InContext"))


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ("8||good", True),
        ("10||so " * 17, True),
        ("10||" + "x" * 120, True),
        ("10||" + "x" * 121, False),
        ("0||no", False),
        ("11||no", False),
        ("8||", False),
        ("8||||", False),
        ("8||a\nb", False),
        (" 8||a", False),
    ],
)
def test_the_pattern_of_constrained_answers_matches_parseable_answers(answer: str, fits: bool):
    assert (re.fullmatch(CONSTRAINED_ANSWER, answer) is not None) == fits
    if fits:
        assert parse_score(answer).score is not None
