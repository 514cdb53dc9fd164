"""verdict: M(1…t) are compared with M(0) on the yardstick, and the guards look for a collapse.

The file `verdict.json` has all figures with their numbers of items, intervals and sentences. The
statistics of the stage have what the status of the run shows: the newest model's difference in
loss, the number of alarms at the newest look, and the number of the first rule with an alarm. They
also have what the recipe decides on: the action, and the best model with its figure.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from isheep.contract.choices import (
    BEST_REASONS,
    CONTAMINATION_NGRAM,
    GUARD_RULE_NAMES,
    VERDICT_ACTIONS,
)
from isheep.contract.order import ContractError
from isheep.recipes.evaluation_settings import VerdictSettings
from isheep_worker.collapse.row_set import CollapseRow, collapse_row
from isheep_worker.controls.drift import anchor_looks
from isheep_worker.evaluation.memorization import Memorized, memorized_items
from isheep_worker.evaluation.stored import benchmark_texts
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.guards.registry import GUARD_RULES
from isheep_worker.inputs.seed_tasks import read_seed_tasks
from isheep_worker.rows.row_ids import completion_id, completion_of
from isheep_worker.rows.schema import (
    COMPLETIONS,
    EVALUATIONS,
    GRADES,
    METRICS,
    OUTPUTS,
    PAIRS,
    PREFERENCES,
    SCORES,
    SELECTIONS,
    ScoreRow,
)
from isheep_worker.yardstick.benchmark_rows import benchmark_series
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.document import (
    VERDICT_FILE,
    newest_alarms,
    newest_difference,
    verdict_document,
)
from isheep_worker.yardstick.grade_section import GradedAnswers, decisive_grades
from isheep_worker.yardstick.judgement_section import JudgedAnswers, decisive_model
from isheep_worker.yardstick.source import DataSet, DecisionRules, VerdictSource


def run(context: StageContext[VerdictSettings]) -> StageOutcome:
    """Compare the models, write the file and commit."""
    document = verdict_document(_source(context))
    path = context.scratch / VERDICT_FILE
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    file = context.artifacts.write_file(context.step.key, VERDICT_FILE, path)
    return commit(context, _statistics(context.settings, document), files=[file])


def _source(context: StageContext[VerdictSettings]) -> VerdictSource:
    settings, inputs, artifacts = context.settings, context.step.inputs, context.artifacts
    evaluations = zip(settings.models, inputs["evaluations"], strict=True)
    data = zip(settings.data_formats, inputs["data"], inputs["pairs"], strict=True)
    exemplars = cache(partial(_exemplars, context))
    return VerdictSource(
        evaluations={
            t: [EVALUATIONS.decode(line) for line in artifacts.read_lines(key)]
            for t, key in evaluations
        },
        answer_format=settings.answer_format,
        random_seed=settings.random_seed,
        data={
            t: DataSet(
                partial(_rows, context, key),
                prompt_format,
                partial(_detailed_rows, context, key, pairs, exemplars),
            )
            for t, (prompt_format, key, pairs) in enumerate(data, start=1)
        },
        rules=[GUARD_RULES[name] for name in settings.guards],
        planned_looks=settings.planned_looks,
        benchmarks=_benchmarks(context),
        judgements=_judgements(context),
        graded=_graded(context),
        benchmark_texts={
            name: benchmark_texts(context.inputs, digest)
            for name, digest in _texts(settings).items()
        },
        yardstick_texts=_yardstick_texts(context),
        anchors=anchor_looks(
            (one.t, one.prompt_format, partial(_scores, context, key))
            for one, key in zip(settings.anchors or (), inputs.get("anchors", ()), strict=True)
        ),
        memorized=_memorized(context),
        ngram=settings.ngram or CONTAMINATION_NGRAM,
        decision=DecisionRules(
            action=settings.action,
            best=settings.best,
            stopping=None
            if settings.stopping is None
            else (settings.stopping.metric, settings.stopping.patience),
        ),
    )


def _benchmarks(context: StageContext[VerdictSettings]) -> list[BenchmarkSeries]:
    settings = context.settings
    keys = context.step.inputs.get("scores", ())
    scores = [
        (model, [METRICS.decode(line) for line in context.artifacts.read_lines(key)])
        for model, key in zip(settings.scores or (), keys, strict=True)
    ]
    return benchmark_series(settings.benchmarks or (), scores)


def _memorized(context: StageContext[VerdictSettings]) -> dict[str, Memorized]:
    """Return what M(0) completes of the items of each benchmark, by its name."""
    settings = context.settings
    if settings.memorization is None:
        return {}
    lines = context.artifacts.read_lines(context.input_key("memorized"))
    outputs = (OUTPUTS.decode(line) for line in lines)
    found = memorized_items(context.inputs, settings.memorization, outputs)
    return {one.name: found[one.digest] for one in settings.benchmarks or () if one.digest in found}


def _judgements(context: StageContext[VerdictSettings]) -> list[JudgedAnswers]:
    keys = context.step.inputs.get("judgements", ())
    return [
        JudgedAnswers(
            one.judgement,
            one.t,
            one.base_format,
            # The texts of the judge are long, and no figure reads them.
            [
                replace(PREFERENCES.decode(line), raw=("", ""), answers=None)
                for line in context.artifacts.read_lines(key)
            ],
        )
        for one, key in zip(context.settings.judged or (), keys, strict=True)
    ]


def _graded(context: StageContext[VerdictSettings]) -> list[GradedAnswers]:
    keys = context.step.inputs.get("grades", ())
    return [
        GradedAnswers(
            one.judgement,
            one.t,
            one.base_formats,
            [
                replace(GRADES.decode(line), raw="", answer=None)
                for line in context.artifacts.read_lines(key)
            ],
        )
        for one, key in zip(context.settings.graded or (), keys, strict=True)
    ]


def _texts(settings: VerdictSettings) -> dict[str, str]:
    """Return the digest of each benchmark and judgement by its name."""
    found = {one.name: one.digest for one in settings.benchmarks or ()}
    found |= {one.judgement: one.digest for one in settings.judged or ()}
    return found | {one.judgement: one.digest for one in settings.graded or ()}


def _yardstick_texts(context: StageContext[VerdictSettings]) -> list[str]:
    """Return the texts of the seed tasks that the yardstick asks, with their outputs."""
    if context.settings.seed_tasks is None:
        return []
    keys = context.step.inputs["evaluations"]
    asked = {EVALUATIONS.decode(line).id for line in context.artifacts.read_lines(keys[0])}
    tasks = read_seed_tasks(context.inputs.get(context.settings.seed_tasks), "the run's seed tasks")
    texts = ((one.instruction, one.input, one.output) for one in tasks if one.id in asked)
    return [text for each in texts for text in each if text]


def _scores(context: StageContext[VerdictSettings], key: str) -> Iterator[ScoreRow]:
    for line in context.artifacts.read_lines(key):
        yield SCORES.decode(line)


def _rows(context: StageContext[VerdictSettings], key: str) -> Iterator[CollapseRow]:
    for line in context.artifacts.read_lines(key):
        yield collapse_row(SELECTIONS.decode(line))


def _detailed_rows(
    context: StageContext[VerdictSettings],
    key: str,
    pairs_key: str,
    exemplars: Callable[[], Mapping[str, tuple[str, ...]]],
) -> Iterator[CollapseRow]:
    """Yield the rows of a select stage with what the stage of their pairs and the prompts say."""
    shown = exemplars()
    lines = context.artifacts.read_lines(key)
    pairs = context.artifacts.read_lines(pairs_key)
    # select has one row for each pair, in their order.
    for line, pair_line in zip(lines, pairs, strict=True):
        row, pair = SELECTIONS.decode(line), PAIRS.decode(pair_line)
        if row.id != pair.id:
            raise ContractError(f"{context.step.id}: row {row.id} of D(t) is from pair {pair.id}")
        yield collapse_row(row, pair, exemplars=shown.get(completion_of(row.id), ()))


def _exemplars(context: StageContext[VerdictSettings]) -> dict[str, tuple[str, ...]]:
    """Return the ids of the tasks that each prompt showed, by the id of its completion."""
    keys = context.step.inputs["completions"]
    return {
        completion_id(t, row.round, row.completion): tuple(map(sys.intern, row.exemplars))
        for t, key in zip(context.settings.generated_in or (), keys, strict=True)
        for row in map(COMPLETIONS.decode, context.artifacts.read_lines(key))
    }


def _statistics(settings: VerdictSettings, document: Mapping[str, Any]) -> dict[str, float]:
    newest = newest_difference(document) or {}
    names = ("items", "difference", "lower", "upper")
    found = {name: newest[name] for name in names if newest.get(name) is not None}
    alarms = newest_alarms(document)
    statistics = {"items": 0.0, **found, "alarms": float(len(alarms))}
    if alarms:
        statistics["alarmRule"] = float(GUARD_RULE_NAMES.index(alarms[0]))
    return {
        **statistics,
        **_benchmark(settings, document),
        **_judgement(settings, document),
        **_grades(settings, document),
        **_decision(document["decision"]),
    }


def _benchmark(settings: VerdictSettings, document: Mapping[str, Any]) -> dict[str, float]:
    """Return the comparison of the newest model on the primary metric of the first benchmark."""
    name = settings.benchmarks[0].name if settings.benchmarks else None
    first = [s for s in document.get("benchmarks", []) if s["primary"] and s["name"] == name]
    # The Test items show the result, and the Validation items may have chosen the model.
    for section in sorted(first, key=lambda one: one["role"] != "Test"):
        for model in section["models"]:
            if model["t"] == len(settings.data_formats) and (change := model["from_base"]):
                return {
                    f"benchmark{name.capitalize()}": change[name]
                    for name in ("items", "difference", "lower", "upper")
                    if change[name] is not None
                }
    return {}


def _judgement(settings: VerdictSettings, document: Mapping[str, Any]) -> dict[str, float]:
    """Return the win rate of the newest model on the first judgement."""
    sections = document.get("judgements", [])
    found = decisive_model(sections[0], len(settings.data_formats)) if sections else None
    if found is None:
        return {}
    return {
        f"judgement{name.capitalize()}": found[name]
        for name in ("items", "rate", "lower", "upper")
        if found[name] is not None
    }


def _grades(settings: VerdictSettings, document: Mapping[str, Any]) -> dict[str, float]:
    """Return the grades of the newest model on the first judgement with grades."""
    sections = document.get("grades", [])
    found = decisive_grades(sections[0], len(settings.data_formats)) if sections else None
    if found is None:
        return {}
    shown: dict[str, float] = {}
    for prefix, row in (("grade", found), ("second", found["second"])):
        if row is None or row["difference"] is None:
            continue
        values = {name: row[name] for name in ("mean", "difference", "lower", "upper")}
        values |= {"items": row["questions"]}
        shown |= {f"{prefix}{n.capitalize()}": v for n, v in values.items() if v is not None}
    return shown


def _decision(decision: Mapping[str, Any]) -> dict[str, float]:
    """Return what the recipe decides on, and the best model if a metric has chosen it."""
    statistics = {"action": float(VERDICT_ACTIONS.index(decision["action"]))}
    best = decision["best"]
    if best["reason"] is None:
        return statistics
    statistics |= {"best": best["t"], "bestReason": BEST_REASONS.index(best["reason"])}
    value = {} if best["value"] is None else {"bestValue": best["value"]}
    return {**statistics, **value}
