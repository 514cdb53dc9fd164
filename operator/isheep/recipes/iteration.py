"""What recipes have in common: iterations, each rounds for instructions and then training.

Both halves of an iteration are conversations within the recipe's: they yield stages,
are sent results and return what the recipe goes on with, or how the run ends. A
`History` remembers what later stages refer to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Prepared
from isheep.recipes import rounds as sizing
from isheep.recipes import settings as s
from isheep.recipes.builders.assess import assess
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.curate import curate
from isheep.recipes.builders.generate import generate
from isheep.recipes.builders.measure import measure
from isheep.recipes.builders.prepare import prepare
from isheep.recipes.builders.report import report
from isheep.recipes.builders.select import select, wants_measures, wants_scores, wants_vectors
from isheep.recipes.builders.train import merge, train
from isheep.recipes.defaults import resolve
from isheep.recipes.interface import (
    FINISHED,
    UNDECIDED,
    End,
    RecipeFailure,
    Stage,
    Stages,
    Statistics,
)


@dataclass(slots=True)
class History:
    """The ids of a run's stages so far; reports and prepare are not among them.

    `curates` and `selects` are the last curate stage and the select stage of each
    iteration, in order.
    """

    stages: list[str] = field(default_factory=list)
    curates: list[str] = field(default_factory=list)
    selects: list[str] = field(default_factory=list)

    def note(self, stage: Stage) -> Stage:
        """Remember a stage, and return it."""
        self.stages.append(stage.id)
        return stage


StageGenerator = Generator[Stage, Statistics | None, End | None]
"""Part of a recipe's generator: returns how the run ends, or None where it goes on."""


def iterations(
    spec: SelfAlignmentRunSpec,
    prepared: Prepared | None,
    one: Callable[[RunContext, History, int], StageGenerator],
) -> Stages:
    """Yield prepare and then, as far as the results decide them, each iteration's stages."""
    yield prepare(spec)
    if prepared is None:
        return UNDECIDED
    run, history = RunContext(resolve(spec), prepared), History()
    for t in range(1, spec.iterations + 1):
        end = yield from one(run, history, t)
        if end is not None:
            return end
    return FINISHED


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a series came to: its last stage, how many that holds, the last round's number.

    `stage` is "" where there is none yet and only rounds have been counted.
    """

    stage: str
    accepted: int
    rounds: int


NOTHING = Gathered("", 0, 0)


@dataclass(frozen=True, slots=True)
class Series:
    """Rounds that belong together: what they gather, and until there is how much of it.

    `generate` makes a round's stage from its number, its completions and the stage that
    the round before has left, `gather` the stage after it from its number and that one.
    `field` of the spec says the `count`. Where a series goes on from another one,
    `gathered` is what that came to.
    """

    count: int
    field: str
    generate: Callable[[int, int, str | None], Stage]
    gather: Callable[[int, str | None], Stage]
    what: str = "instructions"
    gathered: Gathered = NOTHING


def instructions(
    run: RunContext,
    history: History,
    t: int,
    *,
    task_list: s.TaskListStyle | None = None,
    machine_examples: int | None = None,
) -> Generator[Stage, Statistics | None, int | End]:
    """Yield rounds of generate and curate; returns how many were accepted when that is enough.

    `task_list` is how tasks are listed, None as I-SHEEP has it; `machine_examples` of a
    prompt's exemplars are machine-made as soon as there are any.
    """

    def generated(number: int, completions: int, previous: str | None) -> Stage:
        return generate(
            run,
            t,
            number,
            completions,
            task_list=task_list,
            machine_examples=machine_examples,
            pool=_pool(run, history, previous),
        )

    def curated(number: int, previous: str | None) -> Stage:
        return curate(run, t, number, previous=previous, pool=history.curates, task_list=task_list)

    series = Series(
        count=run.spec.instructions.count,
        field="instructions.count",
        generate=generated,
        gather=curated,
    )
    gathered = yield from gather(run, history, t, series)
    if isinstance(gathered, End):
        return gathered
    history.curates.append(gathered.stage)
    return gathered.accepted


def gather(
    run: RunContext, history: History, t: int, series: Series
) -> Generator[Stage, Statistics | None, Gathered | End]:
    """Yield a series' rounds until it has gathered its count; returns what it came to."""
    rounds: list[sizing.Round] = []
    results: list[Statistics] = []
    before = series.gathered
    previous = before.stage or None
    while (completions := sizing.next_round(series.count, rounds)) is not None:
        if (failure := _keep_rate_too_low(run, t, series, rounds, results)) is not None:
            return End(complete=False, failure=failure)
        number = before.rounds + len(rounds) + 1
        yield history.note(series.generate(number, completions, previous))
        stage = series.gather(number, previous)
        result = yield history.note(stage)
        if result is None:
            return UNDECIDED
        previous = stage.id
        rounds.append(sizing.Round(completions, int(result["accepted"]) - before.accepted))
        results.append(result)
    return Gathered(
        str(previous), before.accepted + rounds[-1].accepted, before.rounds + len(rounds)
    )


def training(run: RunContext, history: History, t: int, pairs: str, items: int) -> StageGenerator:
    """Yield how a stage's pairs are judged and selected, what is trained on them, the report.

    `pairs` is that stage, and `items` what its parts are counted in: pairs, or instructions
    where one may have several.

    Returns None when the next iteration may follow.
    """
    if wants_scores(run.spec):
        yield history.note(assess(run, t, pairs, items))
    if wants_measures(run.spec):
        yield history.note(measure(run, t, pairs, items))
    selected = yield history.note(select(run, t, pairs))
    if selected is None:
        return UNDECIDED
    if (failure := _too_few(run, t, selected)) is not None:
        return End(complete=False, failure=failure)
    history.selects.append(f"i{t}/select")
    yield history.note(train(run, t, history.selects))
    if run.merges:
        yield history.note(merge(run, t))
    yield report(run, t, history.stages)
    return None


def _pool(run: RunContext, history: History, previous: str | None) -> list[str]:
    """Return the curate stages that hold the pool as the round before has left it."""
    earlier = history.curates if run.spec.curation.deduplication.pool == "Run" else []
    return [*earlier, *([previous] if previous is not None else [])]


def _keep_rate_too_low(
    run: RunContext,
    t: int,
    series: Series,
    rounds: Sequence[sizing.Round],
    results: Sequence[Statistics],
) -> RecipeFailure | None:
    most = run.spec.instructions.max_rounds
    decided = len(rounds) >= min(sizing.ROUNDS_BEFORE_VERDICT, most)
    if not decided or sizing.projected_rounds(series.count, rounds) <= most:
        return None
    completions = sum(r.completions for r in rounds)
    return RecipeFailure(
        "KeepRateTooLow",
        f"iteration {t}: {rounds[-1].accepted} of {series.count} {series.what} accepted from "
        f"{completions} completions in {len(rounds)} rounds; at this rate it takes more than "
        f"instructions.maxRounds = {most}. Dropped, by rule: {_drops(*results)}. "
        f"Loosen curation, raise instructions.maxRounds or lower {series.field}",
    )


def _too_few(run: RunContext, t: int, selected: Statistics) -> RecipeFailure | None:
    kept, wanted = int(selected["kept"]), run.spec.selection.min_samples
    if kept >= max(wanted, 1):
        return None
    return RecipeFailure(
        "TooFewSamples",
        f"iteration {t}: {kept} pairs were kept, selection.minSamples is {wanted}. Not kept, "
        f"by reason: {_drops(selected)}. {_more_kept(run)}Lower selection.minSamples, or raise "
        "instructions.count",
    )


def _more_kept(run: RunContext) -> str:
    """Return the advice that only some selection methods have."""
    if wants_scores(run.spec):
        return "Lower selection.threshold. "
    if wants_vectors(run.spec):
        return "Raise selection.density.clusters. "
    return "Raise selection.perplexity.max. " if wants_measures(run.spec) else ""


def _drops(*statistics: Statistics) -> str:
    counts: Counter[str] = Counter()
    for name, count in (item for one in statistics for item in one.items()):
        if name.startswith("drop:"):
            counts[name.removeprefix("drop:")] += int(count)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered) or "none counted"
