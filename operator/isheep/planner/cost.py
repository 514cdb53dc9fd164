"""What the rest of a run costs: tokens from its settings, and time and bytes from earlier runs.

A cost that no earlier run has measured is unknown, and the estimate says which stages it lacks.
Without a measurement, a guess would be wrong by a large factor, because the cost depends on the
model and on the device. So all stages with a model get the rates of one device, and those of other
devices are left out. The stages of the processing pool use no GPU, and any machine gives their
rates. prepare is left out: it stores no data and takes minutes of a CPU.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isheep.api.gpu_usage import Prices
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import MOST_TURNS, Pool
from isheep.contract.gpu_resources import WHOLE_GPU
from isheep.contract.order import GpuPrices
from isheep.planner.forecast import ForecastStage, most_steps
from isheep.recipes.evaluation_settings import EvaluateSettings, JudgeSettings
from isheep.recipes.interface import Stage
from isheep.recipes.settings import (
    AssessSettings,
    ControlSettings,
    Sampling,
    StageSettings,
    TrainSettings,
)
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind


@dataclass(frozen=True, slots=True)
class MeasuredStage:
    """A committed stage: its units of work, wall time, GPU time in seconds, and stored bytes.

    The unit is an item, an optimizer step of a training, or the whole stage if it has neither.
    `device` describes the device that executed the stage, and `run` is the name of its run.
    """

    kind: StageKind
    units: float
    seconds: float
    gpu_seconds: float
    bytes: int
    device: str | None = None
    run: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of the stages that do not exist.

    `tokens` is the largest number of generated tokens. `seconds`, `gpu_seconds` and `bytes` are
    None if `unmeasured` is not empty: the kinds of stages that no earlier run has measured.
    `pool_seconds` are the GPU seconds by pool. The rates are those of the runs `measured_by`, on
    the device `device`; None if the stages to do need no model.
    """

    tokens: int
    seconds: float | None
    gpu_seconds: float | None
    bytes: float | None
    unmeasured: tuple[StageKind, ...]
    pool_seconds: Mapping[Pool, float] = field(default_factory=dict)
    device: str | None = None
    measured_by: tuple[str, ...] = ()


def cost(
    stages: Sequence[ForecastStage], measured: Iterable[MeasuredStage], *, on_gpus: bool = False
) -> Cost:
    """Return the cost of the stages of a forecast that do not exist.

    Args:
        stages: All stages of the forecast.
        measured: Stages that earlier runs have committed with the same model.
        on_gpus: Whether the run will use GPUs. Without a measurement on such a device, the rates
            are those of another one.
    """
    left = [s.stage for s in stages if s.result is None and s.stage.kind is not StageKind.PREPARE]
    kinds = {stage.kind for stage in left}
    of_left = [one for one in measured if one.kind in kinds]
    device = _device(of_left, on_gpus=on_gpus)
    used = [one for one in of_left if not _needs_model(one.kind) or one.device == device]
    rates = _rates(used)
    names = tuple(dict.fromkeys(one.run for one in used))
    units = {one.id: _units(one, stages) for one in left}
    unmeasured = {s.kind for s in left if s.kind not in rates or units[s.id] is None}
    tokens = sum(_most_tokens(stage) for stage in left)
    if unmeasured:
        missing = tuple(k for k in StageKind if k in unmeasured)
        return Cost(tokens, None, None, None, missing, {}, device, names)
    parts = [tuple(rate * (units[stage.id] or 0) for rate in rates[stage.kind]) for stage in left]
    seconds, gpu_seconds, size = (sum(part[place] for part in parts) for place in range(3))
    pools: defaultdict[Pool, float] = defaultdict(float)
    for stage, part in zip(left, parts, strict=True):
        pools[STAGE_DEFINITIONS[stage.kind].pool] += part[1]
    return Cost(tokens, seconds, gpu_seconds, size, (), dict(pools), device, names)


def money(found: Cost, resources: Mapping[Pool, str], prices: Prices | None) -> float | None:
    """Return the price of the GPU time of a cost.

    Args:
        found: The cost.
        resources: The GPU resource of each pool, such as nvidia.com/gpu.
        prices: The prices of an hour.

    Returns:
        None if the GPU time or the price of a resource that is used is unknown.
    """
    if prices is None or found.gpu_seconds is None:
        return None
    total = 0.0
    for pool, seconds in found.pool_seconds.items():
        price = prices.per_hour.get(resources[pool]) if seconds else 0.0
        if price is None:
            return None
        total += seconds / 3600 * price
    return total


def gpu_resources_of(spec: SelfAlignmentRunSpec) -> dict[Pool, str]:
    """Return the GPU resource of each pool; a pool whose limits name none uses whole GPUs."""
    return {pool: next(iter(spec.compute.pool(pool).gpus), WHOLE_GPU) for pool in Pool}


def prices_of_pools(spec: SelfAlignmentRunSpec, prices: Prices | None) -> GpuPrices | None:
    """Return the price of a GPU of each pool for an hour; None if no pool's resource has one."""
    if prices is None:
        return None
    resources = gpu_resources_of(spec).items()
    per_hour = {
        str(pool): prices.per_hour[name] for pool, name in resources if name in prices.per_hour
    }
    return GpuPrices(currency=prices.currency, per_hour=per_hour) if per_hour else None


def _needs_model(kind: StageKind) -> bool:
    return STAGE_DEFINITIONS[kind].pool is not Pool.PROCESSING


def _device(measured: Sequence[MeasuredStage], *, on_gpus: bool) -> str | None:
    """Return the device of the rates; None if no stage with a model was measured.

    It is a GPU or a CPU as the run will use, if one was measured. Then the device with the most
    kinds of stages comes first, and then the one with the most stages.
    """
    kinds: defaultdict[str | None, set[StageKind]] = defaultdict(set)
    counts: Counter[str | None] = Counter()
    uses_gpus: dict[str | None, bool] = {}
    for one in measured:
        if _needs_model(one.kind):
            kinds[one.device].add(one.kind)
            counts[one.device] += 1
            uses_gpus[one.device] = uses_gpus.get(one.device, False) or one.gpu_seconds > 0

    def weight(device: str | None) -> tuple[bool, int, int]:
        return uses_gpus[device] == on_gpus, len(kinds[device]), counts[device]

    return max(kinds, key=weight, default=None)


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
    if isinstance(settings, JudgeSettings):
        if settings.kind == "WinRate":
            return 2 * answers  # one answer for each order
        # One answer for each model, prompt format of M(0) and turn; a question has at most two.
        return MOST_TURNS * (1 + len(stage.inputs["base"])) * answers
    if isinstance(settings, ControlSettings):
        answers *= len(settings.kinds)
    if isinstance(settings, AssessSettings):
        return 0 if settings.scoring == "Expected" else answers * len(settings.levels)
    return answers
