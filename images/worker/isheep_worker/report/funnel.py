"""The funnel of an iteration: what happened to its texts, line by line, from counts of its stages.

The lines are in the order of what happened, and they add up: a count is what remains of the count
before it after the drops between them. A new count begins when a stage parses texts, because one
completion can contain several instructions. assess can count one pair under two reasons, one for
each level, so the reasons of pairs are those of select, which gives each pair one reason.

If the counts of a stage do not agree with those of the stage before, a line says so, and the
funnel still adds up. Such a line is a defect, and a test fails if a recipe has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from isheep.contract.rule_names import DROP
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, Funnel, FunnelBar, StageKind
from isheep_worker.report.stage_figures import StageFigures, family
from isheep_worker.rules.drop_reasons import SELECTION_REASONS
from isheep_worker.text.parse_failures import ParseFailure

LineKind = Literal["source", "start", "drop", "added", "count", "note"]
UNEXPLAINED = "not accounted for"
READ = "pairs read"
EARLIER_PAIRS = "pairs of earlier iterations"
_PARSE_FAILURES = frozenset(str(failure) for failure in ParseFailure)
_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One line of the funnel.

    `source` is a number of texts that are parsed, and `start` begins a count. `drop` and `added`
    change the count, and `count` is the count after them. `note` describes some of the items. The
    label of a drop is its rule or reason; `examples` are dropped texts.
    """

    label: str
    count: int
    kind: LineKind
    examples: tuple[str, ...] = ()


def funnel(iteration: int, stages: Sequence[StageFigures]) -> tuple[FunnelStep, ...]:
    """Return the funnel of an iteration.

    Args:
        iteration: The number of the iteration.
        stages: The stages of the run, in any order. Training can read the pairs of earlier
            iterations.
    """
    flow = _Flow()
    for kind, definition in STAGE_DEFINITIONS.items():
        of_kind = sorted(
            (s for s in stages if s.kind == kind and s.iteration == iteration),
            key=lambda stage: stage.round or 0,
        )
        if of_kind and definition.funnel is not None:
            if kind is StageKind.TRAIN:
                flow.add(EARLIER_PAIRS, _kept_before(of_kind, stages))
            flow.stage(definition.funnel, of_kind, _drops(kind, definition.funnel, stages, of_kind))
    return tuple(flow.steps)


def _kept_before(trainings: Sequence[StageFigures], stages: Sequence[StageFigures]) -> int:
    """Return the number of pairs of earlier iterations that a training reads."""
    data = {key for training in trainings for key in training.inputs.get("data", ())}
    iterations = {training.iteration for training in trainings}
    return sum(
        int(stage.statistics.get("kept", 0))
        for stage in stages
        if stage.key in data and stage.iteration not in iterations
    )


@dataclass(frozen=True, slots=True)
class _Drop:
    """The number of drops for one reason, with examples."""

    reason: str
    count: int
    examples: tuple[str, ...]

    @property
    def step(self) -> FunnelStep:
        return FunnelStep(self.reason, self.count, "drop", self.examples)


def _drops(
    kind: StageKind,
    definition: Funnel,
    stages: Sequence[StageFigures],
    of_kind: Sequence[StageFigures],
) -> list[_Drop]:
    """Return the drops that the funnel shows at a kind: the largest first."""
    iteration = of_kind[0].iteration
    mine = [stage for stage in stages if stage.iteration == iteration]
    later = [stage for stage in mine if stage.kind == definition.drops_of]
    if later:
        return [drop for drop in _counted(later, mine) if drop.reason not in SELECTION_REASONS]
    shown_before = any(_defers(stage, kind) for stage in mine)
    own = _counted(of_kind, of_kind)
    return [drop for drop in own if drop.reason in SELECTION_REASONS] if shown_before else own


def _defers(stage: StageFigures, kind: StageKind) -> bool:
    """Return whether a stage shows the drops of a later kind."""
    definition = STAGE_DEFINITIONS[StageKind(stage.kind)].funnel
    return definition is not None and definition.drops_of == kind


def _counted(stages: Sequence[StageFigures], sources: Iterable[StageFigures]) -> list[_Drop]:
    """Return the drops that stages count, with the examples of `sources`."""
    examples: dict[str, list[str]] = {}
    for stage in sources:
        for rule, texts in stage.examples.items():
            examples.setdefault(rule, []).extend(texts)
    ordered = sorted(family(stages, DROP).items(), key=lambda item: (-item[1], item[0]))
    return [
        _Drop(reason, int(count), tuple(examples.get(reason, ())[:_MOST_EXAMPLES]))
        for reason, count in ordered
        if count
    ]


class _Flow:
    """The lines so far, and the number of items that remain; None before the first count."""

    def __init__(self) -> None:
        self.steps: list[FunnelStep] = []
        self._remaining: int | None = None

    def stage(
        self, definition: Funnel, of_kind: Sequence[StageFigures], drops: Sequence[_Drop]
    ) -> None:
        """Add the lines of the stages of one kind, which are in the order of their rounds."""
        if definition.parsed is not None and _has(definition.parsed, of_kind):
            self._parse(definition, definition.parsed, of_kind, drops)
            drops = [drop for drop in drops if drop.reason not in _PARSE_FAILURES]
        elif definition.reads:
            names = definition.reads
            read = sum(int(s.statistics.get(name, 0)) for s in of_kind for name in names)
            self._read(read, definition, begins=bool(drops))
        for bar in definition.notes:
            if count := _count(bar, of_kind):
                self.steps.append(FunnelStep(bar.label, count, "note"))
        for drop in drops:
            self._subtract(drop.step)
        for bar in definition.set_apart:
            self._subtract(FunnelStep(bar.label, _count(bar, of_kind), "drop"))
        self._result(definition, _count(definition.result, of_kind))

    def add(self, label: str, count: int) -> None:
        """Add items that come from elsewhere."""
        if count:
            self.steps.append(FunnelStep(label, count, "added"))
            self._remaining = (self._remaining or 0) + count

    def _parse(
        self,
        definition: Funnel,
        parsed: FunnelBar,
        of_kind: Sequence[StageFigures],
        drops: Sequence[_Drop],
    ) -> None:
        if definition.source is not None:
            source = definition.source
            self.steps.append(FunnelStep(source.label, _count(source, of_kind), "source"))
        failures = [drop for drop in drops if drop.reason in _PARSE_FAILURES]
        count = _count(parsed, of_kind)
        if failures:
            self._start(definition.found, count + sum(drop.count for drop in failures))
            for drop in failures:
                self._subtract(drop.step)
            self._arrive(parsed.label, count)
        else:
            self._start(parsed.label, count)

    def _start(self, label: str, count: int) -> None:
        self.steps.append(FunnelStep(label, count, "start"))
        self._remaining = count

    def _read(self, count: int, definition: Funnel, *, begins: bool) -> None:
        """Account for the items of the stage before that a stage does not read.

        `begins` is true if the stage needs a count before its result.
        """
        if self._remaining is None:
            if begins:
                self._start(READ, count)
        elif count < self._remaining:
            label = definition.left_out or UNEXPLAINED
            self._subtract(FunnelStep(label, self._remaining - count, "drop"))
        else:
            self.add(UNEXPLAINED, count - self._remaining)

    def _subtract(self, step: FunnelStep) -> None:
        if step.count and self._remaining is not None:
            self.steps.append(step)
            self._remaining -= step.count

    def _result(self, definition: Funnel, count: int) -> None:
        if definition.describes and count != self._remaining:
            self.steps.append(FunnelStep(definition.result.label, count, "note"))
        else:
            self._arrive(definition.result.label, count)

    def _arrive(self, label: str, count: int) -> None:
        before = self._remaining
        if before is None:
            self._start(label, count)
            return
        if count < before:
            self._subtract(FunnelStep(UNEXPLAINED, before - count, "drop"))
        else:
            self.add(UNEXPLAINED, count - before)
        self.steps.append(FunnelStep(label, count, "count"))


def _has(bar: FunnelBar, of_kind: Sequence[StageFigures]) -> bool:
    return any(bar.statistic in stage.statistics for stage in of_kind)


def _count(bar: FunnelBar, of_kind: Sequence[StageFigures]) -> int:
    shown = of_kind[-1:] if bar.of_last_round else of_kind
    return int(sum(stage.statistics.get(bar.statistic, 0) for stage in shown))


def counts(steps: Iterable[FunnelStep]) -> Mapping[str, int]:
    """Return the lines that are numbers of items or texts, by their labels."""
    return {step.label: step.count for step in steps if step.kind not in ("drop", "added")}
