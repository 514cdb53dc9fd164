"""From stages' manifests to the figures of the report, purely.

The report says nothing that is not in a committed manifest or a row it points to.
Every second between the start of the first stage and the end of the last is put
into one of four bins: `load` (imports and models coming up), `engine` (the device
at work for generation, scoring or training), `cpu` (parsing, rules, tokenising, reading
and writing) and `idle` (everything else: gaps between stages, and what a stage did
not account for). Stages that another run made and this one adopted cost this run
nothing and are left out of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isheep_worker.measures.perplexity import BOUNDS, perplexity


@dataclass(frozen=True, slots=True)
class StageTime:
    """When a stage ran, in epoch seconds, and how many seconds went into what."""

    started_at: float
    finished_at: float
    load: float
    engine: float
    cpu: float

    @property
    def accounted(self) -> float:
        """The seconds that the stage says it was busy."""
        return self.load + self.engine + self.cpu


@dataclass(frozen=True, slots=True)
class StageFigures:
    """What the report needs of one stage's manifest."""

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
    """One bar of the funnel. A drop names its rule; `examples` shows a few that it dropped."""

    label: str
    count: int
    is_drop: bool
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seconds:
    """Where time went; the four add up to the wall time."""

    load: float = 0.0
    engine: float = 0.0
    cpu: float = 0.0
    idle: float = 0.0

    @property
    def wall(self) -> float:
        """The whole."""
        return self.load + self.engine + self.cpu + self.idle

    def __add__(self, other: Seconds) -> Seconds:
        """Add bin by bin."""
        return Seconds(
            self.load + other.load,
            self.engine + other.engine,
            self.cpu + other.cpu,
            self.idle + other.idle,
        )


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """The time of one stage; `idle` is what it did not account for and the gap before it."""

    id: str
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class PerplexityFigures:
    """Perplexities of the measured pairs: of their mean loss, and how many are in each bin."""

    of_mean_loss: float
    bins: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class IterationFigures:
    """The figures of one iteration. Histograms have ten bins, for the scores 1 to 10.

    `eval_loss` is M(t)'s, which is the adapter after `adapter_step` of its training's steps.
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


def iteration_figures(iteration: int, stages: Iterable[StageFigures]) -> IterationFigures:
    """Return the figures of one iteration from its stages, in any order."""
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
    )


_GENERATING = ("generate", "classify", "instantiate", "respond", "assess")
_REPEATED = ("rule:", "unparseable:", "unscorable:")
"""How the reasons of select begin that assess or measure has found."""


def _statistics(stages: Sequence[StageFigures], kind: str) -> Mapping[str, float]:
    return next((s.statistics for s in stages if s.kind == kind), {})


def _family(statistics: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {k.removeprefix(prefix): v for k, v in statistics.items() if k.startswith(prefix)}


def _funnel(stages: Sequence[StageFigures]) -> tuple[FunnelStep, ...]:
    curates = sorted((s for s in stages if s.kind == "curate"), key=lambda s: s.round or 0)
    topics = sorted((s for s in stages if s.kind == "topics"), key=lambda s: s.round or 0)
    steps = [
        *_gathered("completions for topics", "topics", topics),
        *_gathered("completions", "instructions", curates),
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
        # What stands before a stage's result is what the stage dropped on the way to it;
        # select repeats for each pair why it has no score or measure, which was counted.
        counted_before = kind == "select" and any(s.kind in ("assess", "measure") for s in stages)
        steps += _drops(of_kind, without=_REPEATED if counted_before else ())
        steps.append(_step(label, _total(of_kind, figure)))
    return tuple(steps)


def _gathered(begin: str, what: str, rounds: Sequence[StageFigures]) -> list[FunnelStep]:
    """Return the bars of a series of rounds; none where an iteration has none."""
    if not rounds:
        return []
    return [
        _step(begin, _total(rounds, "completions")),
        _step(f"{what} parsed", _total(rounds, "parsed")),
        *_drops(rounds),
        _step(f"{what} accepted", rounds[-1].statistics.get("accepted", 0)),
    ]


def _step(label: str, count: float) -> FunnelStep:
    return FunnelStep(label, int(count), is_drop=False)


def _total(stages: Sequence[StageFigures], name: str) -> float:
    return sum(s.statistics.get(name, 0) for s in stages)


def _drops(stages: Sequence[StageFigures], without: tuple[str, ...] = ()) -> list[FunnelStep]:
    """Return the drops of stages, most first, `without` those whose names begin so."""
    counts: dict[str, float] = {}
    examples: dict[str, list[str]] = {}
    for stage in stages:
        for rule, count in _family(stage.statistics, "drop:").items():
            counts[rule] = counts.get(rule, 0) + count
        for rule, texts in stage.examples.items():
            examples.setdefault(rule, []).extend(texts)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        FunnelStep(rule, int(count), is_drop=True, examples=tuple(examples.get(rule, ())[:5]))
        for rule, count in ordered
        if count and not rule.startswith(without)
    ]


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
    """Return where each stage's time went, in the order of their starts.

    A stage's idle time includes the gap since the latest end before it, so the sum over
    all stages is the wall time from the first start to the last end.
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
    # Several workers account for more seconds than the wall has: shares, then.
    scale = min(1.0, wall / time.accounted) if time.accounted > 0 else 0.0
    return Seconds(
        time.load * scale,
        time.engine * scale,
        time.cpu * scale,
        gap + wall - time.accounted * scale,
    )


def total_seconds(rows: Iterable[StageSeconds]) -> Seconds:
    """Return the sum over stages."""
    total = Seconds()
    for row in rows:
        total += row.seconds
    return total


def model_loads(stages: Iterable[StageFigures], iteration: int, run_uid: str) -> int:
    """Return how many stages of an iteration loaded a model rather than using a loaded one."""
    return sum(
        int(s.statistics.get("modelLoads", 0))
        for s in stages
        if s.iteration == iteration and s.run_uid == run_uid
    )


def plain(value: Any) -> Any:
    """Return dataclasses, tuples and mappings as JSON's own kinds."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
