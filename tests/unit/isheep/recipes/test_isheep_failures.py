"""I-SHEEP ends early if it accepts too few instructions or keeps too few pairs."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.recipes.interface import End, Statistics
from isheep.recipes.settings import ReportSettings

from .isheep_stages import all_accepted, spec_of, walk


def curates(*accepted: int) -> dict[str, Statistics]:
    return {
        f"i1/curate/r{n}": {"accepted": a, "drop:rouge-l": 10 * n, "drop:length": 1}
        for n, a in enumerate(accepted, 1)
    }


def test_a_low_keep_rate_fails_after_three_rounds_with_the_counts() -> None:
    stages, end = walk(spec_of(), curates(10, 20, 30))
    assert list(stages)[-2:] == ["i1/curate/r3", "i1/report"]
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
    report = stages["i1/report"]
    assert isinstance(report.settings, ReportSettings)
    assert report.settings.failure == (None if end.failure is None else end.failure.message)
    if end.failure is not None:
        assert list(report.inputs)[-1] == "i1/select"
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
