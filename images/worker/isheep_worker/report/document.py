"""The report document: one nested mapping, which report.json contains and report.html shows.

The functions here are pure; `stages/report.py` reads their inputs from the store. The page computes
no figures, so page and JSON always agree.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from isheep.api.run import GROUP, KIND, VERSION
from isheep.contract.order import GpuPrices, RunRef
from isheep.recipes.settings import ReportSettings
from isheep_worker.constraints.satisfaction import SatisfiedShare
from isheep_worker.controls.drift import AssessorDrift
from isheep_worker.controls.validity import ControlFigures
from isheep_worker.report import figures
from isheep_worker.report.explanations import AssessedPair
from isheep_worker.report.figures import Seconds
from isheep_worker.report.funnel import counts
from isheep_worker.report.pairs import PairFigures
from isheep_worker.report.scores import LevelFigures
from isheep_worker.report.served import served_figures
from isheep_worker.report.stage_figures import StageFigures

SCHEMA_VERSION = 2
SMALL_MODEL_BYTES = 2 * 1024**3
"""Size of the weights below which the page warns that self-scores are close to noise."""


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """The greedy answer of one model to a fixed prompt; `model` is `M(0)`, `M(1)`, …"""

    model: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """One training step.

    The losses are means over response tokens. `loss` is the training loss. `validation_loss` is the
    validation loss after the step, or None if it was not measured. `grad_norm` is the norm of the
    gradient before clipping.
    """

    step: int
    loss: float
    validation_loss: float | None
    learning_rate: float
    grad_norm: float


@dataclass(frozen=True, slots=True)
class ReportInput:
    """The inputs of the report. The mappings are by iteration.

    `model_digest` is the digest of M(0), and `store` the location of the run's store.
    `pairs_files` has the names of the files with all pairs, next to the page. `verdict` is the
    comparison of the models with M(0), None without a yardstick.
    """

    run: RunRef
    settings: ReportSettings
    stages: Sequence[StageFigures]
    training: Mapping[int, Sequence[TrainingStep]] = field(default_factory=dict)
    pairs: Mapping[int, PairFigures] = field(default_factory=dict)
    pairs_files: Mapping[int, str] = field(default_factory=dict)
    scores: Mapping[int, Sequence[LevelFigures]] = field(default_factory=dict)
    controls: Mapping[int, Sequence[ControlFigures]] = field(default_factory=dict)
    anchors: Mapping[int, Sequence[AssessorDrift]] = field(default_factory=dict)
    constraints: Mapping[int, Sequence[SatisfiedShare]] = field(default_factory=dict)
    answers: Mapping[int, Sequence[AssessedPair]] = field(default_factory=dict)
    verdict: Mapping[str, Any] | None = None
    samples: Sequence[SampleAnswer] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    model_bytes: int | None = None
    model_digest: str = ""
    store: str = ""
    prices: GpuPrices | None = None


def report_document(source: ReportInput) -> dict[str, Any]:
    """Return the report document, which has JSON values only.

    Args:
        source: The figures of all stages, from the store.

    Returns:
        The document, with times in seconds and counts as integers.
    """
    spec = source.settings.spec
    time = figures.stage_seconds(source.stages, source.run.uid)
    mine = [stage for stage in source.stages if stage.run_uid == source.run.uid]
    starts = [stage.time.started_at for stage in mine]
    ends = [stage.time.finished_at for stage in mine]
    iterations = sorted({stage.iteration for stage in source.stages} - {0})
    loads = [figures.model_loads(source.stages, t, source.run.uid) for t in iterations]
    document = {
        "schema_version": SCHEMA_VERSION,
        "run": source.run.model_dump(),
        "recipe": source.settings.recipe,
        "model": source.environment.get("base model")
        or spec.get("model", {}).get("storageUri", ""),
        "model_digest": source.model_digest,
        "started_at": _date(min(starts, default=None)),
        "finished_at": _date(max(ends, default=None)),
        "command": _command(source),
        "random_seed": spec.get("randomSeed", 0),
        "planned_iterations": source.settings.iterations,
        "small_model": source.model_bytes is not None and source.model_bytes < SMALL_MODEL_BYTES,
        "iterations": [_iteration(source, t, time) for t in iterations],
        "tokens_per_second": figures.tokens_per_second(source.stages, source.run.uid),
        "gpu_hours": figures.gpu_hours(source.stages, source.run.uid),
        "total": _seconds(figures.total_seconds(time)),
        "it_loads": _loads(loads),
        "model_loads": loads,
        "time": _time(time),
        "time_by_kind": _time(figures.time_by_kind(time)),
        "samples": _samples(source.samples),
        "sample_models": sorted({s.model for s in source.samples}, key=lambda m: (len(m), m)),
        "environment": dict(source.environment),
        "spec": _run_file(source),
        "stages": [{"id": s.id, "key": s.key} for s in source.stages if s.key],
    }
    # Members that not every report has are absent, so that the bytes of other reports stay.
    if source.prices is not None:
        cost = figures.gpu_cost(source.stages, source.run.uid, source.prices)
        document["gpu_cost"] = {"amount": cost, "currency": source.prices.currency}
    if (served := served_figures(source.stages)) is not None:
        document["endpoint"] = figures.plain(served)
    if source.verdict is not None:
        document["verdict"] = dict(source.verdict)
    if source.settings.failure is not None:
        document["failure"] = source.settings.failure
    plain: dict[str, Any] = figures.plain(document)
    return plain


def _iteration(source: ReportInput, t: int, time: Sequence[figures.StageSeconds]) -> dict[str, Any]:
    of_t = figures.iteration_figures(t, source.stages)
    stages = [stage for stage in source.stages if stage.iteration == t]
    pairs = source.pairs.get(t, PairFigures((), ()))
    mine = [row for row in time if row.id.startswith(f"i{t}/")]
    controls = source.controls.get(t)
    return {
        **figures.plain(of_t),
        "counts": dict(counts(of_t.funnel)),
        "seconds": _seconds(figures.total_seconds(mine)),
        "tokens_per_second": figures.tokens_per_second(stages, source.run.uid),
        "gpu_hours": figures.gpu_hours(stages, source.run.uid),
        "scores": [
            {**figures.plain(level), "warning": level.warning} for level in source.scores.get(t, ())
        ],
        "training": [figures.plain(step) for step in source.training.get(t, ())],
        "answers": [figures.plain(pair) for pair in source.answers.get(t, ())],
        "pairs": figures.plain(pairs.groups),
        "levels": figures.plain(pairs.levels),
        "pairs_file": source.pairs_files.get(t),
        **({} if controls is None else {"controls": [_control(one) for one in controls]}),
        **_anchors(source.anchors.get(t)),
        "constraints": [_satisfied(one) for one in source.constraints.get(t, ())],
    }


def _control(figures_of: ControlFigures) -> dict[str, Any]:
    return {**figures.plain(figures_of), "verdict": figures_of.verdict}


def _anchors(drifts: Sequence[AssessorDrift] | None) -> dict[str, Any]:
    if drifts is None:
        return {}
    return {"anchors": [{**figures.plain(one), "verdict": one.verdict} for one in drifts]}


def _satisfied(share: SatisfiedShare) -> dict[str, Any]:
    return {**figures.plain(share), "share": share.share}


def _date(seconds: float | None) -> str | None:
    """Return a time in epoch seconds as a date and a time in UTC."""
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _command(source: ReportInput) -> str:
    """Return the command that repeats the run on one machine from the run file in the report."""
    store = f" --store {shlex.quote(source.store)}" if source.store else ""
    return f"isheep run run.yaml{store}"


def _run_file(source: ReportInput) -> str:
    """Return the run as a file for `isheep run` and `kubectl apply`."""
    run = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": source.run.name, "namespace": source.run.namespace},
        "spec": source.settings.spec,
    }
    return yaml.safe_dump(run, sort_keys=False, allow_unicode=True)


def _time(rows: Iterable[figures.StageSeconds]) -> list[dict[str, Any]]:
    return [
        {"id": row.id, "seconds": _seconds(row.seconds), "wall": row.seconds.wall} for row in rows
    ]


def _seconds(seconds: Seconds) -> dict[str, float]:
    return {
        "load": seconds.load,
        "engine": seconds.engine,
        "cpu": seconds.cpu,
        "idle": seconds.idle,
        "wall": seconds.wall,
    }


def _loads(loads: Sequence[int]) -> str:
    counts = ", ".join(str(n) for n in loads)
    return f"model loads by iteration: {counts}" if loads else "no model loaded"


def _samples(answers: Sequence[SampleAnswer]) -> list[dict[str, Any]]:
    by_prompt: dict[str, dict[str, str]] = {}
    for answer in answers:
        by_prompt.setdefault(answer.prompt, {})[answer.model] = answer.answer
    return [{"prompt": prompt, "answers": given} for prompt, given in by_prompt.items()]
