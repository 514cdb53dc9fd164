"""The figures of the report, computed from the manifests of stages by pure functions.

All figures come from committed manifests and from the rows that they list. Each second between the
start of the first stage and the end of the last one is in one of four bins: `load` (imports and
loading of models), `engine` (computations of the device for generation, scoring or training), `cpu`
(parsing, rules, tokenization, reading and writing) and `idle` (gaps between stages, and seconds
that a stage did not assign to a bin). Stages that this run adopted from another run took no time in
this run, so the times leave them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isheep.contract.choices import Pool
from isheep.contract.language_mismatch import mismatch_of_drops
from isheep.contract.order import GpuPrices
from isheep.contract.rule_names import DROP
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind
from isheep_worker.measures.perplexity import BOUNDS, perplexity
from isheep_worker.report.funnel import FunnelStep, funnel
from isheep_worker.report.stage_figures import StageFigures, StageTime, family


@dataclass(frozen=True, slots=True)
class Seconds:
    """The seconds in each bin. Their sum is the wall time."""

    load: float = 0.0
    engine: float = 0.0
    cpu: float = 0.0
    idle: float = 0.0

    @property
    def wall(self) -> float:
        """The sum of the bins."""
        return self.load + self.engine + self.cpu + self.idle

    def __add__(self, other: Seconds) -> Seconds:
        """Return the sums of the bins."""
        return Seconds(
            self.load + other.load,
            self.engine + other.engine,
            self.cpu + other.cpu,
            self.idle + other.idle,
        )


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """The time of one stage. `idle` has its unassigned seconds and the gap before the stage."""

    id: str
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class PerplexityFigures:
    """The perplexity of the measured pairs' mean loss, and the number of pairs in each bin."""

    of_mean_loss: float
    bins: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class IterationFigures:
    """The figures of one iteration. Histograms have ten bins for the scores 1 to 10.

    M(t) is the adapter after the training step `adapter_step`, and `validation_loss` is its loss on
    the pairs held out. `language_mismatch` is a sentence if most instructions seem to be in another
    language than the run's. `adapted_share` is the share of the linear weights that LoRA adapts.
    The training loss is a mean over `samples` pairs, and the validation loss over
    `validation_samples` pairs.
    """

    iteration: int
    funnel: tuple[FunnelStep, ...]
    histograms: Mapping[str, tuple[int, ...]]
    means: Mapping[str, float]
    perplexities: Mapping[str, PerplexityFigures]
    tokens: int
    kept: int
    mean_score: float | None
    training_loss: float | None
    validation_loss: float | None
    adapter_step: int | None
    samples: int | None
    language_mismatch: str | None = None
    adapted_share: float | None = None
    validation_samples: int | None = None


def iteration_figures(iteration: int, stages: Iterable[StageFigures]) -> IterationFigures:
    """Return the figures of one iteration from the run's stages, in any order."""
    everything = list(stages)
    mine = [stage for stage in everything if stage.iteration == iteration]
    select = _statistics(mine, StageKind.SELECT)
    train = _statistics(mine, StageKind.TRAIN)
    return IterationFigures(
        iteration=iteration,
        funnel=funnel(iteration, everything),
        histograms=_histograms(mine),
        means=family(mine, "mean:"),
        perplexities=_perplexities(mine),
        tokens=int(sum(s.statistics.get("tokens", 0) for s in mine if _uses_engine(s))),
        kept=int(select.get("kept", 0)),
        mean_score=select.get("meanScore"),
        training_loss=train.get("trainLoss"),
        validation_loss=train.get("evalLoss"),
        adapter_step=int(train["adapterStep"]) if "adapterStep" in train else None,
        samples=int(train["samples"]) if "samples" in train else None,
        language_mismatch=_language_mismatch(mine),
        adapted_share=train.get("adaptedShare"),
        validation_samples=(
            int(train["validationSamples"]) if "validationSamples" in train else None
        ),
    )


def _uses_engine(stage: StageFigures) -> bool:
    return STAGE_DEFINITIONS[StageKind(stage.kind)].pool is Pool.INFERENCE


def _statistics(stages: Sequence[StageFigures], kind: StageKind) -> Mapping[str, float]:
    return next((s.statistics for s in stages if s.kind == kind), {})


def _language_mismatch(stages: Sequence[StageFigures]) -> str | None:
    curates = [stage for stage in stages if stage.kind == StageKind.CURATE]
    accepted = max((stage.statistics.get("accepted", 0) for stage in curates), default=0)
    return mismatch_of_drops(family(curates, DROP), accepted, "language")


def _histograms(stages: Sequence[StageFigures]) -> dict[str, tuple[int, ...]]:
    bins: dict[str, list[int]] = {}
    for name, count in family(stages, "score:").items():
        level, _, score = name.rpartition(":")
        bins.setdefault(level, [0] * 10)[int(score) - 1] += int(count)
    return {level: tuple(counts) for level, counts in bins.items()}


def _perplexities(stages: Sequence[StageFigures]) -> dict[str, PerplexityFigures]:
    labels = [*(f"<{bound}" for bound in BOUNDS), f"≥{BOUNDS[-1]}"]
    counts = family(stages, "perplexity:")
    return {
        name: PerplexityFigures(
            of_mean_loss=perplexity(loss),
            bins={
                label: int(counts.get(f"{name}:{number}", 0)) for number, label in enumerate(labels)
            },
        )
        for name, loss in family(stages, "meanLoss:").items()
    }


def stage_seconds(stages: Iterable[StageFigures], run_uid: str) -> tuple[StageSeconds, ...]:
    """Return the seconds of each stage of a run by bin, in the order of their starts.

    A stage's idle time includes the gap since the latest end before it. Therefore the sum over all
    stages is the wall time from the first start to the last end.
    """
    mine = sorted((s for s in stages if s.run_uid == run_uid), key=lambda s: s.time.started_at)
    rows = []
    latest = mine[0].time.started_at if mine else 0.0
    for stage in mine:
        started, finished = stage.time.started_at, stage.time.finished_at
        gap = max(0.0, started - latest)
        wall = max(0.0, finished - max(started, latest))
        rows.append(StageSeconds(stage.id, _binned(stage.time, gap, wall)))
        latest = max(latest, finished)
    return tuple(rows)


def _binned(time: StageTime, gap: float, wall: float) -> Seconds:
    # Several workers together assign more seconds than the wall time has. Scale them to it.
    scale = min(1.0, wall / time.accounted) if time.accounted > 0 else 0.0
    return Seconds(
        time.load * scale,
        time.engine * scale,
        time.cpu * scale,
        gap + wall - time.accounted * scale,
    )


def total_seconds(rows: Iterable[StageSeconds]) -> Seconds:
    """Return the sum over stages, bin by bin."""
    total = Seconds()
    for row in rows:
        total += row.seconds
    return total


def model_loads(stages: Iterable[StageFigures], iteration: int, run_uid: str) -> int:
    """Return how many stages of an iteration loaded a model instead of using a loaded one."""
    return sum(
        int(s.statistics.get("modelLoads", 0))
        for s in stages
        if s.iteration == iteration and s.run_uid == run_uid
    )


def tokens_per_second(stages: Iterable[StageFigures], run_uid: str) -> float | None:
    """Return the generated tokens per second of the stages of a run that generate, or None.

    The seconds are those between the start and the end of these stages, with the loading of models.
    """
    mine = [s for s in stages if s.run_uid == run_uid and _uses_engine(s)]
    generating = [s for s in mine if s.statistics.get("tokens")]
    seconds = sum(s.time.finished_at - s.time.started_at for s in generating)
    return sum(s.statistics["tokens"] for s in generating) / seconds if seconds > 0 else None


def gpu_hours(stages: Iterable[StageFigures], run_uid: str) -> float:
    """Return the hours of the run's stages multiplied by the GPUs of their workers.

    A manifest has the GPUs of the worker that committed the stage. If several pods shared a stage,
    the hours are a lower bound. Training reports its processes, one for each GPU of all pods.
    """
    return sum(hours_by_pool(stages, run_uid).values())


def hours_by_pool(stages: Iterable[StageFigures], run_uid: str) -> dict[Pool, float]:
    """Return the GPU-hours of the run's stages by pool; see `gpu_hours`."""
    hours: dict[Pool, float] = {}
    for stage in stages:
        pool = STAGE_DEFINITIONS[StageKind(stage.kind)].pool
        if stage.run_uid != run_uid or pool is Pool.PROCESSING or not stage.devices:
            continue
        devices = max(stage.devices, int(stage.statistics.get("processes", 0)))
        seconds = stage.time.finished_at - stage.time.started_at
        hours[pool] = hours.get(pool, 0.0) + seconds * devices / 3600
    return hours


def gpu_cost(stages: Iterable[StageFigures], run_uid: str, prices: GpuPrices) -> float | None:
    """Return the cost of the GPU-hours; None if a pool that used GPUs has no price."""
    hours = hours_by_pool(stages, run_uid)
    if not hours.keys() <= prices.per_hour.keys():
        return None
    return sum(time * prices.per_hour[pool] for pool, time in hours.items())


def time_by_kind(rows: Iterable[StageSeconds]) -> tuple[StageSeconds, ...]:
    """Return the times with the rounds of a stage kind of an iteration added up, in their order."""
    sums: dict[str, Seconds] = {}
    for row in rows:
        name = row.id.partition("/r")[0] if row.id.count("/") > 1 else row.id
        sums[name] = sums.get(name, Seconds()) + row.seconds
    return tuple(StageSeconds(name, seconds) for name, seconds in sums.items())


def plain(value: Any) -> Any:
    """Return dataclasses, tuples and mappings as JSON values."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
