"""verdict: M(1…t) are compared with M(0) on the yardstick, and the guards look for a collapse.

The file `verdict.json` has all figures with their numbers of items, intervals and sentences. The
statistics of the stage have what the status of the run shows: the newest model's difference in
loss, the number of alarms at the newest look, and the number of the first rule with an alarm. The
verdict decides nothing: the run goes on in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from isheep.contract.choices import GUARD_RULE_NAMES
from isheep.recipes.settings import VerdictSettings
from isheep_worker.collapse.row_set import CollapseRow, collapse_row
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.guards.registry import GUARD_RULES
from isheep_worker.rows.schema import EVALUATIONS, SELECTIONS
from isheep_worker.yardstick.document import (
    VERDICT_FILE,
    newest_alarms,
    newest_difference,
    verdict_document,
)
from isheep_worker.yardstick.source import DataSet, VerdictSource


def run(context: StageContext[VerdictSettings]) -> StageOutcome:
    """Compare the models, write the file and commit."""
    document = verdict_document(_source(context))
    path = context.scratch / VERDICT_FILE
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    file = context.artifacts.write_file(context.step.key, VERDICT_FILE, path)
    return commit(context, _statistics(document), files=[file])


def _source(context: StageContext[VerdictSettings]) -> VerdictSource:
    settings, inputs, artifacts = context.settings, context.step.inputs, context.artifacts
    evaluations = zip(settings.models, inputs["evaluations"], strict=True)
    data = zip(settings.data_formats, inputs["data"], strict=True)
    return VerdictSource(
        evaluations={
            t: [EVALUATIONS.decode(line) for line in artifacts.read_lines(key)]
            for t, key in evaluations
        },
        answer_format=settings.answer_format,
        random_seed=settings.random_seed,
        data={
            t: DataSet(partial(_rows, context, key), prompt_format)
            for t, (prompt_format, key) in enumerate(data, start=1)
        },
        rules=[GUARD_RULES[name] for name in settings.guards],
        planned_looks=settings.planned_looks,
    )


def _rows(context: StageContext[VerdictSettings], key: str) -> Iterator[CollapseRow]:
    for line in context.artifacts.read_lines(key):
        yield collapse_row(SELECTIONS.decode(line))


def _statistics(document: Mapping[str, Any]) -> dict[str, float]:
    newest = newest_difference(document) or {}
    names = ("items", "difference", "lower", "upper")
    found = {name: newest[name] for name in names if newest.get(name) is not None}
    alarms = newest_alarms(document)
    statistics = {"items": 0.0, **found, "alarms": float(len(alarms))}
    if alarms:
        statistics["alarmRule"] = float(GUARD_RULE_NAMES.index(alarms[0]))
    return statistics
