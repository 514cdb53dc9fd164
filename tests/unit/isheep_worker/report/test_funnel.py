"""The funnel: its lines add up, in the order of what happened."""

from dataclasses import replace

import pytest

from isheep_worker.report import funnel as module
from isheep_worker.report.funnel import EARLIER_PAIRS, UNEXPLAINED, counts, funnel
from isheep_worker.report.stage_figures import StageFigures, StageTime

from ..funnel_check import added_up


def stage(kind: str, *, t: int = 1, round_: int | None = None, key: str = "", **statistics):
    name = f"i{t}/{kind}" + (f"/r{round_}" if round_ else "")
    named = {n.replace("__", ":").replace("_", "-"): v for n, v in statistics.items()}
    return StageFigures(name, kind, t, round_, key, "u", StageTime(0, 1, 0, 0, 0), named)


def lines(*stages: StageFigures, t: int = 1) -> list[tuple[str, int, str]]:
    return [(step.label, step.count, step.kind) for step in added_up(funnel(t, stages))]


ROUNDS = (
    stage("curate", round_=1, completions=4, parsed=14, accepted=8, drop__rouge_l=4, drop__url=2),
    stage(
        "curate",
        round_=2,
        completions=2,
        parsed=9,
        accepted=12,
        drop__rouge_l=1,
        drop__surplus=4,
        drop__parse_cut=2,
        drop__parse_unlabelled=1,
    ),
)
RESPOND = stage("respond", pairs=12)


def test_the_lines_are_in_the_order_of_what_happened_and_add_up() -> None:
    assess = stage(
        "assess",
        pairs=12,
        scored=9,
        drop__options=2,
        drop__unparseable_quality_no_number=1,
        drop__unparseable_following_no_number=1,
    )
    select = stage(
        "select",
        pairs=12,
        kept=6,
        drop__options=2,
        drop__unparseable_quality=1,
        drop__score_quality=3,
    )
    train = stage("train", samples=4, validationSamples=1, drop__no_label=1)
    assert lines(*ROUNDS, RESPOND, assess, select, train) == [
        ("completions", 6, "source"),
        ("instructions and unreadable texts", 26, "start"),
        ("parse-cut", 2, "drop"),
        ("parse-unlabelled", 1, "drop"),
        ("instructions parsed", 23, "count"),
        ("rouge-l", 5, "drop"),
        ("surplus", 4, "drop"),
        ("url", 2, "drop"),
        ("instructions accepted", 12, "count"),
        ("pairs answered", 12, "count"),
        ("options", 2, "drop"),
        ("unparseable-quality", 1, "drop"),
        ("pairs scored", 9, "count"),
        ("score-quality", 3, "drop"),
        ("pairs kept: D(t)", 6, "count"),
        ("no-label", 1, "drop"),
        ("pairs held out for validation", 1, "drop"),
        ("pairs trained on", 4, "count"),
    ]


def test_a_pair_with_a_low_score_on_one_level_and_none_on_the_other_is_dropped_once() -> None:
    # The quality of one pair is too low, and its following could not be read.
    assess = stage("assess", pairs=12, scored=11, drop__unparseable_following_ambiguous=1)
    select = stage("select", pairs=12, kept=9, drop__score_quality=3)
    assert lines(RESPOND, assess, select)[1:] == [
        ("pairs scored", 11, "note"),
        ("score-quality", 3, "drop"),
        ("pairs kept: D(t)", 9, "count"),
    ]


def test_a_random_choice_may_keep_pairs_without_a_score() -> None:
    assess = stage("assess", pairs=12, scored=8, drop__unparseable_quality_empty=4)
    select = stage("select", pairs=12, kept=7, drop__not_drawn=5)
    found = lines(RESPOND, assess, select)
    assert ("pairs scored", 8, "note") in found
    assert found[-1] == ("pairs kept: D(t)", 7, "count")


def test_measures_count_their_drops_once() -> None:
    both = {"drop__options": 1, "drop__unscorable_too_long": 1}
    measure = stage("measure", pairs=12, measured=10, **both)
    select = stage("select", kept=7, drop__perplexity_pair=2, drop__not_drawn=1, **both)
    assert lines(RESPOND, measure, select)[1:] == [
        ("options", 1, "drop"),
        ("unscorable-too-long", 1, "drop"),
        ("pairs measured", 10, "count"),
        ("perplexity-pair", 2, "drop"),
        ("not-drawn", 1, "drop"),
        ("pairs kept: D(t)", 7, "count"),
    ]


def test_without_scores_and_measures_select_shows_all_its_drops() -> None:
    select = stage("select", pairs=12, kept=9, drop__options=3)
    assert lines(RESPOND, select)[1:] == [
        ("options", 3, "drop"),
        ("pairs kept: D(t)", 9, "count"),
    ]


def test_instances_begin_a_new_count() -> None:
    classify = stage("classify", instructions=12, classifications=5)
    counted = {"drop__options": 4, "drop__parse_missing_output": 3}
    instantiate = stage("instantiate", instructions=12, parsed=20, pairs=16, **counted)
    assert lines(*ROUNDS, classify, instantiate)[-7:] == [
        ("classifications", 5, "note"),
        ("instructions instantiated", 12, "source"),
        ("instances and unreadable texts", 23, "start"),
        ("parse-missing-output", 3, "drop"),
        ("instances parsed", 20, "count"),
        ("options", 4, "drop"),
        ("pairs instantiated", 16, "count"),
    ]


def test_topics_have_their_own_count() -> None:
    topics = stage("topics", round_=1, completions=3, parsed=9, accepted=7, drop__repeated_topic=2)
    assert lines(topics, *ROUNDS)[:5] == [
        ("completions for topics", 3, "source"),
        ("topics parsed", 9, "start"),
        ("repeated-topic", 2, "drop"),
        ("topics accepted", 7, "count"),
        ("completions", 6, "source"),
    ]


def test_instructions_that_are_not_drawn_are_a_line() -> None:
    found = lines(*ROUNDS, stage("respond", pairs=5))
    assert found[-2:] == [
        ("not drawn to be answered", 7, "drop"),
        ("pairs answered", 5, "count"),
    ]


def test_a_training_on_all_pairs_adds_those_of_earlier_iterations() -> None:
    first = stage("select", t=1, key="a", pairs=20, kept=16)
    second = stage("select", t=2, key="b", pairs=20, kept=12)
    train = replace(
        stage("train", t=2, samples=20, validationSamples=3), inputs={"data": ("a", "b")}
    )
    assert lines(first, second, train, t=2) == [
        ("pairs kept: D(t)", 12, "start"),
        (EARLIER_PAIRS, 16, "added"),
        ("beyond training.maxSamples", 5, "drop"),
        ("pairs held out for validation", 3, "drop"),
        ("pairs trained on", 20, "count"),
    ]


@pytest.mark.parametrize(("accepted", "kind"), [(9, "drop"), (13, "added")])
def test_counts_that_do_not_agree_are_a_line(accepted, kind) -> None:
    curate = stage("curate", completions=4, parsed=14, accepted=accepted, drop__url=3)
    found = lines(curate)
    assert (UNEXPLAINED, 2, kind) in found
    assert found[-1] == ("instructions accepted", accepted, "count")


def test_a_stage_kind_brings_its_lines(monkeypatch) -> None:
    lines_of_merge = module.Funnel(
        module.FunnelBar("files written", "written"),
        source=module.FunnelBar("folders read", "folders"),
        parsed=module.FunnelBar("files read", "read"),
    )
    changed = replace(module.STAGE_DEFINITIONS["merge"], funnel=lines_of_merge)
    definitions = {**module.STAGE_DEFINITIONS, "merge": changed}
    monkeypatch.setattr(module, "STAGE_DEFINITIONS", definitions)
    merge = stage("merge", folders=1, read=3, written=2, drop__url=1)
    assert lines(RESPOND, merge)[1:] == [
        ("folders read", 1, "source"),
        ("files read", 3, "start"),
        ("url", 1, "drop"),
        ("files written", 2, "count"),
    ]


def test_counts_are_those_of_items_and_texts() -> None:
    found = counts(funnel(1, (*ROUNDS, RESPOND)))
    assert found["completions"] == 6
    assert found["instructions parsed"] == 23
    assert "rouge-l" not in found


def test_the_responses_that_lost_their_thoughts_are_a_note() -> None:
    respond = stage("respond", pairs=12, thoughtsRemoved=3)
    assert lines(*ROUNDS, respond)[-2:] == [
        ("responses without their thoughts", 3, "note"),
        ("pairs answered", 12, "count"),
    ]
    none = stage("respond", pairs=12, thoughtsRemoved=0)
    assert lines(*ROUNDS, none) == lines(*ROUNDS, RESPOND)
