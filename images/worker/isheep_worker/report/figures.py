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
from dataclasses import dataclass, field
from typing import Any

from isheep.contract.choices import Pool
from isheep.contract.language_mismatch import mismatch_of_drops
from isheep.contract.rule_names import DROP
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, Funnel, FunnelBar, StageKind
from isheep_worker.measures.perplexity import BOUNDS, perplexity
from isheep_worker.rules.drop_reasons import SELECTION_REASONS


@dataclass(frozen=True, slots=True)
class StageTime:
    """Start and end of a stage in epoch seconds, and its seconds in each bin."""

    started_at: float
    finished_at: float
    load: float
    engine: float
    cpu: float

    @property
    def accounted(self) -> float:
        """The seconds that the stage assigned to a bin."""
        return self.load + self.engine + self.cpu


@dataclass(frozen=True, slots=True)
class StageFigures:
    """The content of one stage's manifest that the report uses."""

    id: str
    kind: str
    iteration: int
    round: int | None
    key: str
    run_uid: str
    time: StageTime
    statistics: Mapping[str, float] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One bar of the funnel. The label of a drop is its rule; `examples` are dropped texts."""

    label: str
    count: int
    is_drop: bool
    examples: tuple[str, ...] = ()


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

    M(t) is the adapter after the training step `adapter_step`, and `eval_loss` is its validation
    loss. `language_mismatch` is a sentence if most instructions seem to be in another language than
    the run's. `adapted_share` is the share of the linear weights that LoRA adapts. The training
    loss is a mean over `samples` pairs, and the validation loss over `validation_samples` pairs.
    """

    iteration: int
    funnel: tuple[FunnelStep, ...]
    histograms: Mapping[str, tuple[int, ...]]
    means: Mapping[str, float]
    perplexities: Mapping[str, PerplexityFigures]
    tokens: int
    kept: int
    mean_score: float | None
    train_loss: float | None
    eval_loss: float | None
    adapter_step: int | None
    samples: int | None
    language_mismatch: str | None = None
    adapted_share: float | None = None
    validation_samples: int | None = None


def iteration_figures(iteration: int, stages: Iterable[StageFigures]) -> IterationFigures:
    """Return the figures of one iteration from the run's stages, in any order."""
    mine = [stage for stage in stages if stage.iteration == iteration]
    select = _statistics(mine, StageKind.SELECT)
    train = _statistics(mine, StageKind.TRAIN)
    return IterationFigures(
        iteration=iteration,
        funnel=_funnel(mine),
        histograms=_histograms(mine),
        means=_family(mine, "mean:"),
        perplexities=_perplexities(mine),
        tokens=int(sum(s.statistics.get("tokens", 0) for s in mine if _uses_engine(s))),
        kept=int(select.get("kept", 0)),
        mean_score=select.get("meanScore"),
        train_loss=train.get("trainLoss"),
        eval_loss=train.get("evalLoss"),
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


def _family(stages: Iterable[StageFigures], prefix: str) -> dict[str, float]:
    """Return the sums of the statistics whose names begin with a prefix, by the rest of the name.

    Only one stage of an iteration has the family of a mean, so a sum of one value is that mean.
    """
    sums: dict[str, float] = {}
    for stage in stages:
        for name, value in stage.statistics.items():
            if name.startswith(prefix):
                rest = name.removeprefix(prefix)
                sums[rest] = sums.get(rest, 0) + value
    return sums


def _funnel(stages: Sequence[StageFigures]) -> tuple[FunnelStep, ...]:
    bars: list[FunnelStep] = []
    for kind, definition in STAGE_DEFINITIONS.items():
        of_kind = sorted((s for s in stages if s.kind == kind), key=lambda s: s.round or 0)
        if of_kind and definition.funnel is not None:
            bars += _bars(definition.funnel, of_kind, stages)
    return tuple(bars)


def _bars(
    funnel: Funnel, of_kind: Sequence[StageFigures], stages: Sequence[StageFigures]
) -> list[FunnelStep]:
    """Return the bars of the stages of one kind, which are in the order of their rounds."""
    repeats = funnel.repeats_drops_of is not None and any(
        STAGE_DEFINITIONS[StageKind(stage.kind)].role is funnel.repeats_drops_of for stage in stages
    )
    return [
        *(_bar(bar, of_kind) for bar in funnel.before),
        *_drops(of_kind, only=SELECTION_REASONS if repeats else None),
        _bar(funnel.result, of_kind),
    ]


def _bar(bar: FunnelBar, of_kind: Sequence[StageFigures]) -> FunnelStep:
    shown = of_kind[-1:] if bar.of_last_round else of_kind
    count = sum(stage.statistics.get(bar.statistic, 0) for stage in shown)
    return FunnelStep(bar.label, int(count), is_drop=False)


def _drops(stages: Sequence[StageFigures], only: frozenset[str] | None = None) -> list[FunnelStep]:
    """Return the drops of stages in descending order; `only` restricts them to some names."""
    counts = _family(stages, DROP)
    examples: dict[str, list[str]] = {}
    for stage in stages:
        for rule, texts in stage.examples.items():
            examples.setdefault(rule, []).extend(texts)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        FunnelStep(rule, int(count), is_drop=True, examples=tuple(examples.get(rule, ())[:5]))
        for rule, count in ordered
        if count and (only is None or rule in only)
    ]


def _language_mismatch(stages: Sequence[StageFigures]) -> str | None:
    curates = [stage for stage in stages if stage.kind == StageKind.CURATE]
    accepted = max((stage.statistics.get("accepted", 0) for stage in curates), default=0)
    return mismatch_of_drops(_family(curates, DROP), accepted, "language")


def _histograms(stages: Sequence[StageFigures]) -> dict[str, tuple[int, ...]]:
    bins: dict[str, list[int]] = {}
    for name, count in _family(stages, "score:").items():
        level, _, score = name.rpartition(":")
        bins.setdefault(level, [0] * 10)[int(score) - 1] += int(count)
    return {level: tuple(counts) for level, counts in bins.items()}


def _perplexities(stages: Sequence[StageFigures]) -> dict[str, PerplexityFigures]:
    labels = [*(f"<{bound}" for bound in BOUNDS), f"≥{BOUNDS[-1]}"]
    counts = _family(stages, "perplexity:")
    return {
        name: PerplexityFigures(
            of_mean_loss=perplexity(loss),
            bins={
                label: int(counts.get(f"{name}:{number}", 0)) for number, label in enumerate(labels)
            },
        )
        for name, loss in _family(stages, "meanLoss:").items()
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


def plain(value: Any) -> Any:
    """Return dataclasses, tuples and mappings as JSON values."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
