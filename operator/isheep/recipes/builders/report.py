"""report: an HTML page with the results so far, from the manifests of the stages."""

from __future__ import annotations

from collections.abc import Iterable

from isheep.recipes import settings as s
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind


def report(run: RunContext, t: int, stages: Iterable[str], failure: str | None = None) -> Stage:
    """Return the report of iterations 1 to t; `stages` are the ids of all their stages.

    `failure` is the message with which the run ends in iteration t.
    """
    return Stage(
        f"i{t}/report",
        StageKind.REPORT,
        t,
        s.ReportSettings(
            recipe=run.spec.recipe,
            iterations=run.spec.iterations,
            spec=data_fields(run.spec),
            failure=failure,
        ),
        inputs={stage: (stage,) for stage in stages},
    )
