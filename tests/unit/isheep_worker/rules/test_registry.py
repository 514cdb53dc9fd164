"""The registry: every name has an entry, and every example is dropped under its name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

import isheep_worker
from isheep.contract.choices import MAX_ROUGE_L, Level
from isheep.contract.rule_names import DROP, OLD_SPELLINGS
from isheep_worker.curation.curate import Criteria, curate_round
from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.curation.filtering import Filter, decisions
from isheep_worker.curation.pool_rules import contamination, repetition
from isheep_worker.curation.topics import collect_topics
from isheep_worker.execution.single_writer import round_statistics
from isheep_worker.instances.input_first import InputFirst
from isheep_worker.measures.texts import TextMeasure, TokenText
from isheep_worker.rows.data_files import Record
from isheep_worker.rows.schema import (
    CompletionRow,
    InstructionRow,
    LevelScore,
    MeasureRow,
    PairRow,
    ScoreRow,
)
from isheep_worker.rows.task_columns import TaskReader
from isheep_worker.rules import drop_reasons
from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.drop_reasons import DROP_REASONS, LEVEL, DropReason, score_failure
from isheep_worker.rules.registry import (
    GROUP_RULES,
    INSTRUCTION_RULES,
    PAIR_RULE_NAMES,
    PAIR_RULES,
    REGISTERED_TOPIC_RULES,
    RegisteredRule,
    all_names,
)
from isheep_worker.rules.sets import RULE_SETS, rule_set
from isheep_worker.scoring import expected, sampled
from isheep_worker.selection import (
    contaminated as selection_contaminated,
)
from isheep_worker.selection import (
    density,
    density_perplexity,
    perplexity,
    random_sample,
    threshold,
)
from isheep_worker.selection.interface import selection_row
from isheep_worker.stages import instantiate, measure
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.measured_texts import PairTexts
from isheep_worker.templates.parsed_score import ScoreFailure
from isheep_worker.templates.principles import read_reply
from isheep_worker.templates.score import parse_score
from isheep_worker.text.parse_failures import ParseFailure
from isheep_worker.text.parsing import ParsedTask, parse_completion
from isheep_worker.training.dataset import Sample, collect_rows

SET_RULES = (*INSTRUCTION_RULES, *PAIR_RULES)
PAIR = PairRow("a", "Name a bird.", "", "A wren.", "stop", 9, 4)
OTHER = PairRow("b", "Name a bird.", "", "A wren.", "stop", 9, 4)
TESTED_WITH_A_MODEL = Path(__file__).parents[1] / "stages/test_measure.py"


def names_of(row: Any) -> set[str]:
    return {row.reason} - {None}


def parsed(text: str, *, cut: bool = False, outputs: bool = False) -> Collection[str]:
    return parse_completion(text, first_number=6, cut=cut, outputs=outputs).failures


def rouge_l(reason: DropReason) -> Collection[str]:
    deduplicator = Deduplicator(MAX_ROUGE_L)
    deduplicator.extend_pool([reason.context])
    drop = repetition(deduplicator, reason.example)
    return [drop.rule] if drop else []


def contaminated(reason: DropReason) -> Collection[str]:
    decontaminator = Decontaminator()
    decontaminator.add_benchmark("benchmark", [reason.context])
    drop = contamination(decontaminator, ParsedTask(1, reason.example, ""))
    return [drop.rule] if drop else []


def contaminated_response(reason: DropReason) -> Collection[str]:
    decontaminator = Decontaminator()
    decontaminator.add_benchmark("b", [reason.example])
    pair = replace(PAIR, response=reason.example)
    found = {pair.id} if decontaminator.match(pair.response) else set()
    assert selection_contaminated.decide(selection_row(OTHER, None), found).kept
    return names_of(selection_contaminated.decide(selection_row(pair, None), found))


def repeated_topic(reason: DropReason) -> Collection[str]:
    completion = CompletionRow(1, 0, f" {reason.example}", "stop", 9, 9)
    topics = collect_topics(
        [completion],
        iteration=1,
        count=9,
        exemplars=0,
        drop_last="IfCut",
        seeds=[reason.context],
    )
    return topics.drops.by_rule()


def surplus(reason: DropReason) -> Collection[str]:
    criteria = Criteria(1, int(reason.context), 5, (), MAX_ROUGE_L)
    text = " Name a river.\n###\n7. Instruction: Explain it."
    statistics = round_statistics(
        curate_round(criteria, [CompletionRow(1, 0, text, "stop", 9, 9)], pool=[])
    )
    return [name.removeprefix(DROP) for name, count in statistics.items() if count]


def repeated_instance(_: DropReason) -> Collection[str]:
    tally = instantiate._Tally(rule_set("None", "en"), DropCounts())
    tally.passing([PAIR, PAIR])
    return [name.removeprefix(DROP) for name in tally.statistics()]


def prompt_too_long(_: DropReason) -> Collection[str]:
    """Run a part of instantiate whose only prompt does not fit."""
    inference: Any = SimpleNamespace(
        library=TemplateLibrary(),
        renderer=SimpleNamespace(raw=lambda _: [0]),
        fits=lambda *_: False,
    )
    context: Any = SimpleNamespace(
        settings=SimpleNamespace(max_instances=1, sampling=None, random_seed=0),
        step=SimpleNamespace(id="i1/instantiate"),
    )
    tally = instantiate._Tally(rule_set("None", "en"), DropCounts())
    task = InstructionRow("a", "Name a bird.", "", 1, 0, 1)
    program = instantiate._part(context, inference, [(task, InputFirst())], tally, 0)
    assert next(program) == []
    with pytest.raises(StopIteration) as end:
        program.send([])
    return [name.removeprefix(DROP) for name in end.value.value.statistics]


def not_finite(_: DropReason) -> Collection[str]:
    text = TokenText("a", [1], [2])
    measures = {"a": TextMeasure(math.nan, 1.0, None)}
    return names_of(measure._row("a", PairTexts(text, text), measures))


def with_a_model(reason: DropReason) -> Collection[str]:
    """Return the name if the tests with a model assert it."""
    return [reason.name] if f'"{reason.name}"' in TESTED_WITH_A_MODEL.read_text("utf-8") else []


def by_threshold(score: LevelScore, level: str, limit: float) -> Collection[str]:
    return names_of(threshold.decide(PAIR, ScoreRow("a", None, {level: score}), (level,), limit))


def by_perplexity(response: float, pair: float, limit: float) -> Collection[str]:
    losses = MeasureRow("a", response_loss=math.log(response), pair_loss=math.log(pair))
    return names_of(perplexity.decide(PAIR, losses, limit))


def by_density(_: DropReason) -> Collection[str]:
    drawn = density.draw([("a", 0), ("b", 0)], 0, "i1/select")
    rows = [
        density.decide(pair, MeasureRow(pair.id, response_loss=1, pair_loss=1), drawn)
        for pair in (PAIR, OTHER)
    ]
    assert [row.kept for row in rows].count(True) == 1
    return set.union(*map(names_of, rows))


def by_density_and_perplexity(_: DropReason) -> Collection[str]:
    chosen = density_perplexity.likeliest([("a", 0, math.log(20)), ("b", 0, math.log(10))])
    losses = MeasureRow("a", response_loss=1, pair_loss=math.log(20))
    return names_of(density_perplexity.decide(PAIR, losses, chosen))


def by_draw(reason: DropReason) -> Collection[str]:
    drawn = random_sample.draw(["a", "b"], int(reason.context), 0, "i1/select")
    rows = [random_sample.decide(selection_row(pair, None), drawn) for pair in (PAIR, OTHER)]
    assert [row.kept for row in rows].count(True) == 1
    return set.union(*map(names_of, rows))


def without_label(reason: DropReason) -> Collection[str]:
    length = int(reason.context)
    _, counts = collect_rows([Sample(0, [0] * length, [1])], length)
    return [reason.name] * counts.dropped


def unreadable(reason: DropReason) -> Collection[str]:
    record = Record("line 1", "line 1", json.loads(reason.example))
    (drop,) = decisions(Filter(("None",)), [record], TaskReader())
    return [drop.rule] if drop else []


def unparseable(reason: DropReason, level: str) -> Collection[str]:
    failure = parse_score(reason.example).failure
    return [score_failure(f"unparseable-{failure}", level)]


def failed(score: LevelScore, level: str) -> Collection[str]:
    return [score_failure(score.reason or "", level)]


CHECKS: dict[str, Callable[[DropReason], Collection[str]]] = {
    "rouge-l": rouge_l,
    "contamination": contaminated,
    "repeated-topic": repeated_topic,
    "surplus": surplus,
    "repeated-instance": repeated_instance,
    "no-reply": lambda reason: [str(read_reply(reason.example).rule)],
    "empty-reply": lambda reason: [str(read_reply(reason.example).rule)],
    "leaked-thoughts": lambda reason: [str(read_reply(reason.example).rule)],
    "parse-cut": lambda reason: parsed(reason.example, cut=True),
    "parse-empty-instruction": lambda reason: parsed(reason.example),
    "parse-broken-numbering": lambda reason: parsed(reason.example),
    "parse-repeated-input": lambda reason: parsed(reason.example),
    "parse-missing-output": lambda reason: parsed(reason.example, outputs=True),
    "parse-unlabelled": lambda reason: parsed(reason.example),
    "parse-surplus": lambda reason: (
        InputFirst().parse("Output: a\nOutput: b", most=int(reason.context), cut=False).failures
    ),
    "parse-too-long": prompt_too_long,
    "unscorable-too-long": with_a_model,
    "unscorable-no-tokens": with_a_model,
    "unscorable-not-finite": not_finite,
    "perplexity-response": lambda reason: by_perplexity(50, 1, float(reason.context)),
    "perplexity-pair": lambda reason: by_perplexity(1, 50, float(reason.context)),
    "cluster-not-drawn": by_density,
    "cluster-perplexity": by_density_and_perplexity,
    "contaminated-response": contaminated_response,
    "not-drawn": by_draw,
    "no-label": without_label,
    "unreadable": unreadable,
}
LEVEL_CHECKS: dict[str, Callable[[DropReason, str], Collection[str]]] = {
    f"unparseable-{LEVEL}-empty": unparseable,
    f"unparseable-{LEVEL}-no-number": unparseable,
    f"unparseable-{LEVEL}-ambiguous": unparseable,
    f"unparseable-{LEVEL}-out-of-range": unparseable,
    f"unparseable-{LEVEL}-too-long": lambda _, level: failed(sampled.TOO_LONG, level),
    f"unscorable-{LEVEL}-too-long": lambda _, level: failed(expected.TOO_LONG, level),
    f"unscorable-{LEVEL}-low-mass": lambda _, level: failed(
        expected.expected_score([math.log(0.009)] * 10), level
    ),
    f"unscorable-{LEVEL}-not-a-number": lambda _, level: failed(
        expected.expected_score([math.nan] * 10), level
    ),
    f"unparseable-{LEVEL}": lambda _, level: by_threshold(
        LevelScore(None, "unparseable-no-number"), level, -1
    ),
    f"unscorable-{LEVEL}": lambda _, level: by_threshold(
        LevelScore(None, "unscorable-low-mass"), level, -1
    ),
    f"score-{LEVEL}": lambda reason, level: by_threshold(
        LevelScore(8.0), level, float(reason.context)
    ),
}


@pytest.mark.parametrize("one", SET_RULES, ids=lambda one: one.rule.name)
def test_a_rule_of_a_set_drops_its_example(one: RegisteredRule) -> None:
    (example,) = one.examples
    assert one.rule.check(example) is not None
    assert one.sets


@pytest.mark.parametrize("one", GROUP_RULES, ids=lambda one: one.rule.name)
def test_a_group_rule_drops_its_examples(one: RegisteredRule) -> None:
    assert one.rule.check(one.examples) is not None


@pytest.mark.parametrize("one", REGISTERED_TOPIC_RULES, ids=lambda one: one.rule.name)
def test_a_topic_rule_drops_its_example(one: RegisteredRule) -> None:
    (example,) = one.examples
    assert one.rule.check(example) is not None


@pytest.mark.parametrize("reason", DROP_REASONS, ids=lambda reason: reason.name)
def test_the_code_drops_the_example_of_a_reason_under_its_name(reason: DropReason) -> None:
    if LEVEL in reason.name:
        for level in get_args(Level):
            found = LEVEL_CHECKS[reason.name](reason, level)
            assert reason.name.replace(LEVEL, level.lower()) in found
    else:
        assert reason.name in CHECKS[reason.name](reason)


def test_every_rule_of_every_set_is_registered() -> None:
    rules = {
        rule
        for rules in RULE_SETS.values()
        for rule in (*rules.instruction_rules, *rules.pair_rules, *rules.group_rules)
    }
    assert {one.rule for one in (*SET_RULES, *GROUP_RULES)} == rules


def test_every_reason_of_the_module_is_registered_once() -> None:
    found = [value for value in vars(drop_reasons).values() if isinstance(value, DropReason)]
    assert list(DROP_REASONS) == found
    names = [name for reason in DROP_REASONS for name in reason.names]
    assert len(names) == len(set(names))


def test_every_failure_of_a_parser_is_registered() -> None:
    assert set(ParseFailure) <= all_names()
    for level in get_args(Level):
        for failure in get_args(ScoreFailure):
            assert score_failure(f"unparseable-{failure}", level) in all_names()


def test_every_name_is_in_kebab_case() -> None:
    for name in all_names():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)


def test_every_old_spelling_leads_to_a_registered_name_and_is_none_itself() -> None:
    without_level = {
        f"{family}-{kind}"
        for reason in DROP_REASONS
        if LEVEL in reason.name
        for family, separator, kind in [reason.name.partition(f"-{LEVEL}-")]
        if separator
    }
    assert set(OLD_SPELLINGS.values()) <= all_names() | without_level
    assert not set(OLD_SPELLINGS) & all_names()


def test_every_name_that_the_code_writes_literally_is_registered() -> None:
    """Names that a row has without its level count if they have an entry with a level."""
    pattern = re.compile(r'"((?:unparseable|unscorable|parse|cluster|score|perplexity)-[a-z-]+)"')
    folder = Path(isheep_worker.__file__).parent
    for path in folder.rglob("*.py"):
        for name in pattern.findall(path.read_text("utf-8")):
            known = name in all_names() or score_failure(name, "Quality") in all_names()
            assert known or name in TemplateLibrary().texts, f"{path}: {name}"


def test_pairs_are_ruled_out_by_rules_and_by_unreadable_replies_only() -> None:
    assert {one.rule.name for one in PAIR_RULES} < PAIR_RULE_NAMES
    assert {"no-reply", "empty-reply", "leaked-thoughts"} < PAIR_RULE_NAMES
    assert not PAIR_RULE_NAMES & drop_reasons.SELECTION_REASONS
