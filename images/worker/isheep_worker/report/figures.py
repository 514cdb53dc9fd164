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

from isheep.contract.language_mismatch import mismatch_of_drops
from isheep.contract.rule_names import DROP
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
    select = _statistics(mine, "select")
    train = _statistics(mine, "train")
    assess = _statistics(mine, "assess")
    return IterationFigures(
        iteration=iteration,
        funnel=_funnel(mine),
        histograms=_histograms(assess),
        means=_family(assess, "mean:"),
        perplexities=_perplexities(_statistics(mine, "measure")),
        tokens=int(sum(s.statistics.get("tokens", 0) for s in mine if s.kind in _GENERATING)),
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


_GENERATING = ("generate", "classify", "instantiate", "respond", "assess")


def _statistics(stages: Sequence[StageFigures], kind: str) -> Mapping[str, float]:
    return next((s.statistics for s in stages if s.kind == kind), {})


def _family(statistics: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {k.removeprefix(prefix): v for k, v in statistics.items() if k.startswith(prefix)}


def _funnel(stages: Sequence[StageFigures]) -> tuple[FunnelStep, ...]:
    curates = sorted((s for s in stages if s.kind == "curate"), key=lambda s: s.round or 0)
    topics = sorted((s for s in stages if s.kind == "topics"), key=lambda s: s.round or 0)
    steps = [
        *_round_bars("completions for topics", "topics", topics),
        *_round_bars("completions", "instructions", curates),
    ]
    for kind, label, figure in (
        ("classify", "of them classifications", "classifications"),
        ("instantiate", "pairs instantiated", "pairs"),
        ("respond", "pairs answered", "pairs"),
        ("assess", "pairs scored", "scored"),
        ("measure", "pairs measured", "measured"),
        ("select", "pairs kept: D(t)", "kept"),
        ("train", "pairs trained on", "samples"),
    ):
        of_kind = [s for s in stages if s.kind == kind]
        if not of_kind:
            continue
        # The drops of a stage come before its result. Select repeats the reasons of pairs that have
        # no score or measure; the stage that found them has counted them already.
        counted_before = kind == "select" and any(s.kind in ("assess", "measure") for s in stages)
        steps += _drops(of_kind, only=SELECTION_REASONS if counted_before else None)
        steps.append(_step(label, _total(of_kind, figure)))
    return tuple(steps)


def _round_bars(first_label: str, noun: str, rounds: Sequence[StageFigures]) -> list[FunnelStep]:
    """Return the bars of the rounds of one kind, or no bars if the iteration has no rounds."""
    if not rounds:
        return []
    return [
        _step(first_label, _total(rounds, "completions")),
        _step(f"{noun} parsed", _total(rounds, "parsed")),
        *_drops(rounds),
        _step(f"{noun} accepted", rounds[-1].statistics.get("accepted", 0)),
    ]


def _step(label: str, count: float) -> FunnelStep:
    return FunnelStep(label, int(count), is_drop=False)


def _total(stages: Sequence[StageFigures], name: str) -> float:
    return sum(s.statistics.get(name, 0) for s in stages)


def _drops(stages: Sequence[StageFigures], only: frozenset[str] | None = None) -> list[FunnelStep]:
    """Return the drops of stages in descending order; `only` restricts them to some names."""
    counts: dict[str, float] = {}
    examples: dict[str, list[str]] = {}
    for stage in stages:
        for rule, count in _family(stage.statistics, DROP).items():
            counts[rule] = counts.get(rule, 0) + count
        for rule, texts in stage.examples.items():
            examples.setdefault(rule, []).extend(texts)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        FunnelStep(rule, int(count), is_drop=True, examples=tuple(examples.get(rule, ())[:5]))
        for rule, count in ordered
        if count and (only is None or rule in only)
    ]


def _language_mismatch(stages: Sequence[StageFigures]) -> str | None:
    curates = [stage for stage in stages if stage.kind == "curate"]
    drops: dict[str, float] = {}
    for stage in curates:
        for rule, count in _family(stage.statistics, DROP).items():
            drops[rule] = drops.get(rule, 0) + count
    accepted = max((stage.statistics.get("accepted", 0) for stage in curates), default=0)
    return mismatch_of_drops(drops, accepted, "language")


def _histograms(assess: Mapping[str, float]) -> dict[str, tuple[int, ...]]:
    bins: dict[str, list[int]] = {}
    for name, count in _family(assess, "score:").items():
        level, _, score = name.rpartition(":")
        bins.setdefault(level, [0] * 10)[int(score) - 1] += int(count)
    return {level: tuple(counts) for level, counts in bins.items()}


def _perplexities(measure: Mapping[str, float]) -> dict[str, PerplexityFigures]:
    labels = [*(f"<{bound}" for bound in BOUNDS), f"≥{BOUNDS[-1]}"]
    return {
        name: PerplexityFigures(
            of_mean_loss=perplexity(loss),
            bins={
                label: int(measure.get(f"perplexity:{name}:{number}", 0))
                for number, label in enumerate(labels)
            },
        )
        for name, loss in _family(measure, "meanLoss:").items()
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
