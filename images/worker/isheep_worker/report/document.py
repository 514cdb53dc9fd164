"""The report document: one nested mapping, which report.json contains and report.html shows.

The functions here are pure; `stages/report.py` reads their inputs from the store. The page computes
no figures, so page and JSON always agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isheep.contract.order import RunRef
from isheep.recipes.settings import ReportSettings
from isheep_worker.report import figures
from isheep_worker.report.explanations import AssessedPair
from isheep_worker.report.figures import IterationFigures, Seconds, StageFigures
from isheep_worker.report.scores import LevelFigures
from isheep_worker.rows.schema import SelectionRow

SCHEMA_VERSION = 1
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

    The losses are means over response tokens. `eval_loss` is the validation loss after the step, or
    None if it was not measured. `grad_norm` is the norm of the gradient before clipping.
    """

    step: int
    loss: float
    eval_loss: float | None
    learning_rate: float
    grad_norm: float


@dataclass(frozen=True, slots=True)
class ReportInput:
    """The inputs of the report. The mappings are by iteration."""

    run: RunRef
    settings: ReportSettings
    stages: Sequence[StageFigures]
    training: Mapping[int, Sequence[TrainingStep]] = field(default_factory=dict)
    pairs: Mapping[int, Sequence[SelectionRow]] = field(default_factory=dict)
    scores: Mapping[int, Sequence[LevelFigures]] = field(default_factory=dict)
    answers: Mapping[int, Sequence[AssessedPair]] = field(default_factory=dict)
    samples: Sequence[SampleAnswer] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    model_bytes: int | None = None


def report_document(source: ReportInput) -> dict[str, Any]:
    """Return the report document, which has JSON values only.

    Args:
        source: The figures of all stages, from the store.

    Returns:
        The document, with times in seconds and counts as integers.
    """
    spec = source.settings.spec
    time = figures.stage_seconds(source.stages, source.run.uid)
    iterations = sorted({stage.iteration for stage in source.stages} - {0})
    loads = [figures.model_loads(source.stages, t, source.run.uid) for t in iterations]
    document = {
        "schema_version": SCHEMA_VERSION,
        "run": source.run.model_dump(),
        "recipe": source.settings.recipe,
        "model": spec.get("model", {}).get("storageUri", ""),
        "random_seed": spec.get("randomSeed", 0),
        "planned_iterations": source.settings.iterations,
        "small_model": source.model_bytes is not None and source.model_bytes < SMALL_MODEL_BYTES,
        "iterations": [_iteration(source, t, time) for t in iterations],
        "total": _seconds(figures.total_seconds(time)),
        "it_loads": _loads(loads),
        "model_loads": loads,
        "time": [
            {"id": row.id, "seconds": _seconds(row.seconds), "wall": row.seconds.wall}
            for row in time
        ],
        "longest": max((row.seconds.wall for row in time), default=0.0) or 1.0,
        "samples": _samples(source.samples),
        "sample_models": sorted({s.model for s in source.samples}, key=lambda m: (len(m), m)),
        "environment": dict(source.environment),
        "spec": json.dumps(spec, indent=2, ensure_ascii=False, sort_keys=True),
        "stages": [{"id": s.id, "key": s.key} for s in source.stages if s.key],
    }
    plain: dict[str, Any] = figures.plain(document)
    return plain


def _iteration(source: ReportInput, t: int, time: Sequence[figures.StageSeconds]) -> dict[str, Any]:
    of_t = figures.iteration_figures(t, source.stages)
    mine = [row for row in time if row.id.startswith(f"i{t}/")]
    return {
        **figures.plain(of_t),
        "counts": _counts(of_t),
        "widest": max((step.count for step in of_t.funnel), default=0) or 1,
        "seconds": _seconds(figures.total_seconds(mine)),
        "scores": [
            {**figures.plain(level), "warning": level.warning} for level in source.scores.get(t, ())
        ],
        "training": [figures.plain(step) for step in source.training.get(t, ())],
        "answers": [figures.plain(pair) for pair in source.answers.get(t, ())],
        "pairs": [figures.plain(row) for row in source.pairs.get(t, ())],
    }


def _counts(of_t: IterationFigures) -> dict[str, int]:
    return {step.label: step.count for step in of_t.funnel if not step.is_drop}


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
