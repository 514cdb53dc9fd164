"""verdict: M(1…t) are compared with M(0) on the tasks of the yardstick.

The file `verdict.json` has the figures with their numbers of tasks and their intervals. The
statistics of the stage have the newest model's difference in loss, for the status of the run. The
verdict decides nothing: the run goes on in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from isheep.recipes.settings import VerdictSettings
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.rows.schema import EVALUATIONS, EvaluationRow
from isheep_worker.yardstick.document import VERDICT_FILE, newest_difference, verdict_document


def run(context: StageContext[VerdictSettings]) -> StageOutcome:
    """Compare the models, write the file and commit."""
    document = verdict_document(_rows(context), context.settings.random_seed)
    path = context.scratch / VERDICT_FILE
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    file = context.artifacts.write_file(context.step.key, VERDICT_FILE, path)
    return commit(context, _statistics(newest_difference(document)), files=[file])


def _rows(context: StageContext[VerdictSettings]) -> dict[int, list[EvaluationRow]]:
    """Return the rows of each evaluation by t."""
    rows: dict[int, list[EvaluationRow]] = {}
    for t, key in zip(context.settings.models, context.step.inputs["evaluations"], strict=True):
        lines = context.artifacts.read_lines(key)
        rows[t] = [EVALUATIONS.decode(line) for line in lines]
    return rows


def _statistics(newest: Mapping[str, Any] | None) -> dict[str, float]:
    names = ("items", "difference", "lower", "upper")
    values = {name: None if newest is None else newest[name] for name in names}
    return {"items": 0.0, **{name: value for name, value in values.items() if value is not None}}
