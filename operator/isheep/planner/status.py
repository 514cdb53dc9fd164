"""The status of a run, built in each plan from the walk and the stage records.

The status fits into 128 KiB at 20 iterations: messages are cut, and a stage of an earlier
iteration keeps only the statistics that other stages depend on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import (
    BenchmarkRecord,
    GradeRecord,
    IterationRecord,
    JudgementRecord,
    SecondTurnRecord,
    SelfAlignmentRunStatus,
    StageProgress,
    StageRecord,
    YardstickRecord,
)
from isheep.planner.best import best_record, last_model_uri
from isheep.planner.conditions import RunPhase, State, conditions
from isheep.planner.restart import handled
from isheep.planner.stage_records import StageRecords
from isheep.planner.types import Attempt, RunView, StageRef
from isheep.planner.walk import Walk
from isheep.recipes.evaluation_settings import VerdictSettings
from isheep.recipes.interface import Stage, Statistics, has_failed
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

YARDSTICK_OF_BASE = f"i0/{StageKind.EVALUATE}/yardstick"


def phase_status(
    run: RunView,
    state: State,
    started: datetime | None,
    now: datetime,
    records: Sequence[StageRecord] = (),
) -> SelfAlignmentRunStatus:
    """Return the run's status with a new state and otherwise unchanged.

    `records` are those of the planned stages.
    """
    before = run.status
    over = state.run_phase in (RunPhase.SUCCEEDED, RunPhase.FAILED)
    return before.model_copy(
        update={
            "observed_generation": run.generation,
            "phase": state.phase,
            "conditions": conditions(state, before.conditions, run.generation, now, records),
            "stage": None,
            # A run that somebody suspends when it ends, or later, keeps the time of its start.
            "start_time": before.start_time if over and started is None else started,
            "completion_time": now if over else None,
            "last_handled_retry": handled(run),
        }
    )


def full_status(
    base: SelfAlignmentRunStatus,
    *,
    spec: SelfAlignmentRunSpec,
    walked: Walk,
    stage_records: StageRecords,
    current: Stage | None,
    attempt: Attempt | None,
    wanted: frozenset[str],
    artifacts: str | None,
    before: StageProgress | None,
    now: datetime,
) -> SelfAlignmentRunStatus:
    """Return the status with the stages, the history and the URIs of the plan.

    `current` is the stage to show and `attempt` the attempt that runs it. `wanted` contains the
    ids of the stages that run or are next. `artifacts` is the URI of the folder that contains the
    stages' files; None if the store of the run is not known.
    """
    resolved = stage_records.resolved
    refs = [StageRef(stage.id, walked.keys[stage.id]) for stage in walked.stages]
    stages = _stages(walked, stage_records, wanted)
    if resolved.prepared is None:
        # Until prepare commits, the stages of the edited spec are unknown, so all records stay.
        stages = (*stages, *(r for r in stage_records.before if r.id != "prepare"))
    progress = _stage_progress(current, attempt, walked, before, now) if current else None
    done = base.phase == "Succeeded"
    return base.model_copy(
        update={
            "iteration": _iteration_now(spec, walked, current, done=done),
            "progress": _progress(spec, walked, current, progress, done=done),
            "stage": progress,
            "stages": stages,
            "history": _history(spec, walked),
            **({} if artifacts is None else _places(base, spec, walked, artifacts)),
            "last_failure": stage_records.failure(refs) or base.last_failure,
            "resolved": resolved.document(),
        }
    )


def _places(
    base: SelfAlignmentRunStatus, spec: SelfAlignmentRunSpec, walked: Walk, artifacts: str
) -> dict[str, Any]:
    """Return where the models and the report of a run are."""
    best = best_record(spec, walked, artifacts)
    return {
        "model_uri": (best.model_uri if best else None) or base.model_uri,
        "last_model_uri": last_model_uri(walked, artifacts) or base.last_model_uri,
        "best": best or base.best,
        "report_uri": _report_uri(walked, artifacts) or base.report_uri,
    }


def _stages(
    walked: Walk, stage_records: StageRecords, wanted: frozenset[str]
) -> tuple[StageRecord, ...]:
    at_work = walked.stages[-1].iteration
    records = []
    for stage in walked.stages:
        record = stage_records.record(StageRef(stage.id, walked.keys[stage.id]))
        committed = stage.id in walked.results and record.failure is None
        is_new = record.attempts == 0 and record.failure is None
        if not committed and is_new and stage.id not in wanted:
            continue
        counts: Mapping[str, float] = record.counts
        if stage.iteration < at_work:
            essential = STAGE_DEFINITIONS[stage.kind].essential_statistics
            counts = {n: v for n, v in counts.items() if n in essential}
        if (committed, counts) != (record.committed, record.counts):
            record = record.model_copy(update={"committed": committed, "counts": dict(counts)})
        records.append(record)
    return tuple(records)


def _stage_progress(
    stage: Stage,
    attempt: Attempt | None,
    walked: Walk,
    before: StageProgress | None,
    now: datetime,
) -> StageProgress:
    key = walked.keys[stage.id]
    if attempt is None:
        return StageProgress(id=stage.id, key=key, items_total=stage.items)
    done, total = attempt.items_done, attempt.items_total or stage.items
    if attempt.stage not in (None, stage.id):
        # The counts are of another stage of the attempt.
        done, total = None, stage.items
    same = before is not None and (before.id, before.items_done) == (stage.id, done)
    # The estimate changes only with progress. If it changed with the clock, each write of the
    # status would cause another plan and another write, without end.
    left = before.estimated_remaining_seconds if before is not None and same else None
    if left is None and done and total:
        seconds = (now - (attempt.started or attempt.created)).total_seconds()
        left = max(0, round(seconds * (total - done) / done))
    return StageProgress(
        id=stage.id, key=key, items_done=done, items_total=total, estimated_remaining_seconds=left
    )


def _iteration_now(
    spec: SelfAlignmentRunSpec, walked: Walk, current: Stage | None, *, done: bool
) -> int | None:
    if not done:
        return current.iteration if current else None
    stopped = walked.end.stopped
    return spec.iterations if stopped is None else stopped.iteration


def _progress(
    spec: SelfAlignmentRunSpec,
    walked: Walk,
    stage: Stage | None,
    progress: StageProgress | None,
    *,
    done: bool,
) -> str | None:
    if done:
        stopped = walked.end.stopped
        t = spec.iterations if stopped is None else stopped.iteration
        return f"{t}/{spec.iterations}" + ("" if stopped is None else " stopped early")
    if stage is None:
        return None
    text = stage.id
    if stage.iteration:
        text = f"{stage.iteration}/{spec.iterations} {stage.id.partition('/')[2]}"
    if progress is None or progress.items_done is None or not progress.items_total:
        return text
    return f"{text} {min(100, 100 * progress.items_done // progress.items_total)}%"


def _history(spec: SelfAlignmentRunSpec, walked: Walk) -> tuple[IterationRecord, ...]:
    by_iteration: dict[int, list[Stage]] = {}
    for stage in walked.stages:
        by_iteration.setdefault(stage.iteration, []).append(stage)
    finished = (
        _iteration(t, by_iteration[t], walked)
        for t in range(1, spec.iterations + 1)
        if t in by_iteration and _has_model(by_iteration[t], walked)
    )
    return (*_base_model(walked), *finished)


def _base_model(walked: Walk) -> list[IterationRecord]:
    """Return the record of M(0) if it was measured."""
    found = walked.results.get(YARDSTICK_OF_BASE)
    if found is None or has_failed(found):
        return []
    return [IterationRecord(iteration=0, yardstick=YardstickRecord(items=int(found["items"])))]


def _has_model(stages: Sequence[Stage], walked: Walk) -> bool:
    makers = [s for s in stages if s.kind in (StageKind.TRAIN, StageKind.MERGE)]
    return bool(makers) and makers[-1].id in walked.results


def _iteration(t: int, stages: Sequence[Stage], walked: Walk) -> IterationRecord:
    figures: dict[str, float] = {}
    for stage in stages:
        figures.update(walked.results.get(stage.id, {}) if _has_statistics(stage) else {})
    return IterationRecord(
        iteration=t,
        completions=sum(s.items or 0 for s in stages if s.kind is StageKind.GENERATE),
        accepted=_count(figures.get("accepted")),
        kept=_count(figures.get("kept")),
        mean_score=figures.get("meanScore"),
        training_loss=figures.get("trainLoss"),
        training_samples=_count(figures.get("samples")),
        validation_loss=figures.get("evalLoss"),
        validation_samples=_count(figures.get("validationSamples")),
        yardstick=_yardstick(t, walked),
        benchmark=_benchmark(t, walked),
        judgement=_judgement(t, walked),
        grades=_grades(t, walked),
    )


def _verdict(t: int, walked: Walk) -> tuple[VerdictSettings, Statistics] | None:
    """Return the verdict on M(t) if it was made: its settings and its result."""
    result = walked.results.get(f"i{t}/{StageKind.VERDICT}")
    if result is None or has_failed(result):
        return None
    for stage in walked.stages:
        if stage.id == f"i{t}/{StageKind.VERDICT}" and isinstance(stage.settings, VerdictSettings):
            return stage.settings, result
    return None


def _yardstick(t: int, walked: Walk) -> YardstickRecord | None:
    found = _verdict(t, walked)
    if found is None or not found[0].models:
        return None
    verdict = found[1]
    return YardstickRecord(
        items=int(verdict["items"]),
        difference=verdict.get("difference"),
        lower=verdict.get("lower"),
        upper=verdict.get("upper"),
    )


def _benchmark(t: int, walked: Walk) -> BenchmarkRecord | None:
    """Return the comparison on the first benchmark of the verdict, which its statistics have."""
    found = _verdict(t, walked)
    if found is None or not found[0].benchmarks or "benchmarkDifference" not in found[1]:
        return None
    settings, verdict = found
    return BenchmarkRecord(
        name=settings.benchmarks[0].name if settings.benchmarks else "",
        items=int(verdict["benchmarkItems"]),
        difference=verdict["benchmarkDifference"],
        lower=verdict.get("benchmarkLower"),
        upper=verdict.get("benchmarkUpper"),
    )


def _judgement(t: int, walked: Walk) -> JudgementRecord | None:
    """Return the win rate on the first judgement of the verdict, which its statistics have."""
    found = _verdict(t, walked)
    if found is None or not found[0].judged or "judgementRate" not in found[1]:
        return None
    settings, verdict = found
    return JudgementRecord(
        name=settings.judged[0].judgement if settings.judged else "",
        items=int(verdict["judgementItems"]),
        rate=verdict["judgementRate"],
        lower=verdict.get("judgementLower"),
        upper=verdict.get("judgementUpper"),
    )


def _grades(t: int, walked: Walk) -> GradeRecord | None:
    """Return the grades on the first judgement with grades, which the verdict's statistics have."""
    found = _verdict(t, walked)
    if found is None or not found[0].graded or "gradeMean" not in found[1]:
        return None
    settings, verdict = found
    second = None
    if "secondMean" in verdict:
        second = SecondTurnRecord(
            items=_count(verdict.get("secondItems")),
            mean=verdict["secondMean"],
            difference=verdict["secondDifference"],
            lower=verdict.get("secondLower"),
            upper=verdict.get("secondUpper"),
        )
    return GradeRecord(
        name=settings.graded[0].judgement if settings.graded else "",
        items=int(verdict["gradeItems"]),
        mean=verdict["gradeMean"],
        difference=verdict["gradeDifference"],
        lower=verdict.get("gradeLower"),
        upper=verdict.get("gradeUpper"),
        second_turn=second,
    )


def _has_statistics(stage: Stage) -> bool:
    return bool(STAGE_DEFINITIONS[stage.kind].essential_statistics)


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)


def _report_uri(walked: Walk, artifacts: str) -> str | None:
    key = _last_committed(walked, StageKind.REPORT)
    return f"{artifacts}/{key}/files/report.html" if key else None


def _last_committed(walked: Walk, kind: StageKind) -> str | None:
    done = [s.id for s in walked.stages if s.kind is kind and s.id in walked.results]
    return walked.keys[done[-1]] if done else None
