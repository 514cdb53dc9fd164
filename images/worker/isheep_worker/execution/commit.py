"""The commit of a stage: its manifest, which is written exactly once.

The manifest lists the output, and how the stage made it. If another worker committed the stage
first, its manifest is the valid one. The outcome then has the statistics of that manifest, because
they describe the output that is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from isheep.contract.order import Outcome
from isheep.recipes.settings import StageSettings
from isheep.store.manifest import FileInfo, Manifest, PartInfo, StageInfo, Timings
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.runtime.environment import environment


def commit(
    context: StageContext[StageSettings],
    statistics: Mapping[str, float],
    *,
    parts: Sequence[PartInfo] = (),
    files: Sequence[FileInfo] = (),
    examples: Mapping[str, Sequence[str]] | None = None,
) -> StageOutcome:
    """Commit the context's stage and return its outcome.

    `examples` has a few of the texts that each rule dropped, for the report.
    """
    step = context.step
    manifest = Manifest(
        key=step.key,
        stage=StageInfo(
            kind=step.kind,
            version=step.version,
            id=step.id,
            iteration=step.iteration,
            round=step.round,
        ),
        parts=tuple(parts),
        files=tuple(files),
        inputs=step.inputs,
        settings=step.settings,
        environment=environment(context.order.sources),
        timings=timings(context),
        statistics=dict(statistics),
        examples={rule: tuple(texts) for rule, texts in (examples or {}).items()},
        run=context.order.run,
    )
    committed = context.artifacts.commit(step.key, manifest)
    return StageOutcome(statistics=committed.statistics)


def commit_parts(
    context: StageContext[StageSettings],
    count: int,
    summarise: Callable[[Mapping[str, float]], Mapping[str, float]] = dict,
    examples: Mapping[str, Sequence[str]] | None = None,
) -> StageOutcome:
    """Commit a stage of `count` parts if all of them are stored, by this or by other workers.

    `summarise` makes the stage's statistics from the sums over its parts. `examples` are from the
    parts of this worker. If parts are missing, the outcome is `Partial`.
    """
    missing = count - len(context.artifacts.parts(context.step.key))
    if missing > 0:
        return StageOutcome(Outcome.PARTIAL)
    parts = context.artifacts.collect_parts(context.step.key, count)
    sums: defaultdict[str, float] = defaultdict(float)
    for part in parts:
        for name, value in part.statistics.items():
            sums[name] += value
    return commit(context, summarise(sums), parts=parts, examples=examples)


def timings(context: StageContext[StageSettings]) -> Timings:
    """Return the seconds of the stage so far, by activity."""
    seconds = context.meter.seconds()
    return Timings(
        started_at=datetime.fromtimestamp(context.started_at, UTC),
        finished_at=datetime.fromtimestamp(context.now(), UTC),
        load_seconds=seconds.load,
        engine_seconds=seconds.engine,
        cpu_seconds=seconds.cpu,
    )
