"""The end of every stage: a manifest, written once, that says what there is and how it came.

Where another worker committed first its manifest is the stage's, and so are its
statistics: they describe what is stored.
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
    """Commit the context's step and return its outcome.

    `examples` are a few of the texts that each rule dropped, for the report.
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
    """Commit a stage of `count` parts if all of them are stored, whoever wrote them.

    `summarise` makes the stage's statistics from the sums over its parts; `examples` are
    those that this worker has seen.
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
    """Return where the context's seconds went so far."""
    seconds = context.meter.seconds()
    return Timings(
        started_at=datetime.fromtimestamp(context.started_at, UTC),
        finished_at=datetime.fromtimestamp(context.now(), UTC),
        load_seconds=seconds.load,
        engine_seconds=seconds.engine,
        cpu_seconds=seconds.cpu,
    )
