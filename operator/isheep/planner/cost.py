"""What the rest of a run costs: tokens from its settings, and time and bytes from earlier runs.

A cost that no earlier run has measured is unknown, and the estimate says which stages it lacks.
Without a measurement, a guess would be wrong by a large factor, because the cost depends on the
model and on the device. prepare is left out: it stores no data and takes minutes of a CPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from isheep.planner.forecast import ForecastStage, most_steps
from isheep.recipes.evaluation_settings import EvaluateSettings
from isheep.recipes.interface import Stage
from isheep.recipes.settings import (
    AssessSettings,
    ControlSettings,
    Sampling,
    StageSettings,
    TrainSettings,
)
from isheep.recipes.stage_kinds import StageKind


@dataclass(frozen=True, slots=True)
class MeasuredStage:
    """A committed stage: its units of work, wall time, GPU time in seconds, and stored bytes.

    The unit is an item, an optimizer step of a training, or the whole stage if it has neither.
    """

    kind: StageKind
    units: float
    seconds: float
    gpu_seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of the stages that do not exist.

    `tokens` is the largest number of generated tokens. `seconds`, `gpu_seconds` and `bytes` are
    None if `unmeasured` is not empty: the kinds of stages that no earlier run has measured.
    """

    tokens: int
    seconds: float | None
    gpu_seconds: float | None
    bytes: float | None
    unmeasured: tuple[StageKind, ...]


def cost(stages: Sequence[ForecastStage], measured: Iterable[MeasuredStage]) -> Cost:
    """Return the cost of the stages of a forecast that do not exist.

    Args:
        stages: All stages of the forecast.
        measured: Stages that earlier runs have committed with the same model.
    """
    left = [s.stage for s in stages if s.result is None and s.stage.kind is not StageKind.PREPARE]
    rates = _rates(measured)
    units = {one.id: _units(one, stages) for one in left}
    unmeasured = {s.kind for s in left if s.kind not in rates or units[s.id] is None}
    tokens = sum(_most_tokens(stage) for stage in left)
    if unmeasured:
        return Cost(tokens, None, None, None, tuple(k for k in StageKind if k in unmeasured))
    parts = [tuple(rate * (units[stage.id] or 0) for rate in rates[stage.kind]) for stage in left]
    seconds, gpu_seconds, size = (sum(part[place] for part in parts) for place in range(3))
    return Cost(tokens, seconds, gpu_seconds, size, ())


def _rates(measured: Iterable[MeasuredStage]) -> Mapping[StageKind, tuple[float, float, float]]:
    """Return the seconds, GPU seconds and bytes for each unit, by kind."""
    units: defaultdict[StageKind, float] = defaultdict(float)
    sums: defaultdict[StageKind, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for one in measured:
        units[one.kind] += one.units
        for place, value in enumerate((one.seconds, one.gpu_seconds, one.bytes)):
            sums[one.kind][place] += value
    return {
        kind: (total[0] / units[kind], total[1] / units[kind], total[2] / units[kind])
        for kind, total in sums.items()
        if units[kind]
    }


def _units(stage: Stage, stages: Sequence[ForecastStage]) -> float | None:
    if isinstance(stage.settings, TrainSettings):
        return most_steps(stage, stage.settings, {one.stage.id: one for one in stages})
    return 1 if stage.items is None else stage.items


def _most_tokens(stage: Stage) -> int:
    """Return the largest number of tokens that the stage generates."""
    settings: StageSettings = stage.settings
    if isinstance(settings, EvaluateSettings):
        # The requests of a benchmark have limits of their own, which the store has.
        return (stage.items or 0) * (settings.max_tokens or 0)
    sampling = getattr(settings, "sampling", None)
    if not isinstance(sampling, Sampling):
        return 0
    answers = (stage.items or 0) * sampling.max_tokens
    if isinstance(settings, ControlSettings):
        answers *= len(settings.kinds)
    if isinstance(settings, AssessSettings):
        return 0 if settings.scoring == "Expected" else answers * len(settings.levels)
    return answers
