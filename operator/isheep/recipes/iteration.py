"""The parts of an iteration that recipes share: the rounds that collect items, and the training.

Each part is a generator within the generator of the recipe. It yields stages, gets their results,
and returns a value for the recipe, or the `End` of the run. A `History` holds the ids of the stages
that later stages refer to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import TaskListStyle
from isheep.contract.language_mismatch import mismatch_of_drops
from isheep.contract.prepared import Prepared
from isheep.contract.reasons import Reason
from isheep.contract.rule_names import DROP
from isheep.contract.stage_ids import iteration_of
from isheep.recipes.builders.assess import assess
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.curate import curate
from isheep.recipes.builders.evaluate import DataStages
from isheep.recipes.builders.generate import generate
from isheep.recipes.builders.measure import measure
from isheep.recipes.builders.prepare import prepare
from isheep.recipes.builders.report import report
from isheep.recipes.builders.select import select
from isheep.recipes.builders.train import merge, train
from isheep.recipes.decisions import next_writer, waits_for_verdicts
from isheep.recipes.defaults import resolve
from isheep.recipes.evaluation import (
    Evaluations,
    check_scores,
    compare_models,
    measure_model,
    score_anchors,
)
from isheep.recipes.interface import (
    FINISHED,
    UNDECIDED,
    End,
    RecipeFailure,
    Stage,
    Stages,
    Statistics,
)
from isheep.recipes.rounds import ROUNDS_BEFORE_VERDICT, Round, next_round, projected_rounds
from isheep.recipes.selection_methods import judging_method
from isheep.recipes.stage_kinds import StageKind, kind_of


@dataclass(slots=True)
class History:
    """The ids of the stages that the recipe has yielded, except prepare and reports.

    `stages` has no evaluations and verdicts. `curates` has the last curate stage of each iteration
    and `selects` the select stage of each iteration, in order; it reads the output of the stage in
    `pairs`. If the run rolled back, `curates` is without the iteration whose model was left.
    `writers` has the t of the model that writes each iteration so far.
    """

    stages: list[str] = field(default_factory=list)
    curates: list[str] = field(default_factory=list)
    selects: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    writers: list[int] = field(default_factory=lambda: [0])
    evaluations: Evaluations = field(default_factory=Evaluations)

    def add(self, stage: Stage) -> Stage:
        """Add the id of a stage, and return the stage."""
        self.stages.append(stage.id)
        return stage

    def go_on(self, t: int, writer: int) -> None:
        """Let M(`writer`) write iteration t + 1; if it is not M(t), leave out its instructions."""
        self.writers.append(writer)
        if writer != t and self.curates and iteration_of(self.curates[-1]) == t:
            self.curates.pop()

    def data(self) -> DataStages:
        """Return the stages that made D(1), D(2), … so far."""
        generates = [id_ for id_ in self.stages if kind_of(id_) is StageKind.GENERATE]
        return DataStages(self.selects, self.pairs, generates)

    def reported(self) -> list[str]:
        """Return the ids of the stages that a report shows."""
        return [*self.stages, *self.evaluations.stages()]


StageGenerator = Generator[Stage, Statistics | None, End | None]
"""A part of a recipe's generator; it returns the end of the run, or None if the run continues."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The result of `Rounds`.

    `stage` is the last stage, "" if there is none. `accepted` is the number of items in its output,
    and `rounds` is the number of the last round in the iteration.
    """

    stage: str
    accepted: int
    rounds: int


NOTHING_COLLECTED = Collected("", 0, 0)


@dataclass(frozen=True, slots=True)
class Rounds:
    """Rounds of generation that collect `count` items, such as instructions.

    `field` is the spec's field for the count, and `items` is the plural noun for messages.
    `generate_stage` builds the generate stage of a round from the round's number, its completions
    and the id of the previous round's collecting stage. `collect_stage` builds the collecting stage
    from the round's number and that id. `before` is the result of earlier rounds that these rounds
    add to.
    """

    count: int
    field: str
    generate_stage: Callable[[int, int, str | None], Stage]
    collect_stage: Callable[[int, str | None], Stage]
    items: str = "instructions"
    before: Collected = NOTHING_COLLECTED


def iterations(
    spec: SelfAlignmentRunSpec,
    prepared: Prepared | None,
    iteration: Callable[[RunContext, History, int], StageGenerator],
) -> Stages:
    """Yield prepare, and then the stages of each iteration until a result is missing."""
    yield prepare(spec)
    if prepared is None:
        return UNDECIDED
    run, history = RunContext(resolve(spec), prepared), History()
    for t in range(1, spec.iterations + 1):
        end = yield from iteration(replace(run, writers=tuple(history.writers)), history, t)
        if end is not None:
            return end
    return FINISHED


def collect_instructions(
    run: RunContext,
    history: History,
    t: int,
    *,
    task_list: TaskListStyle | None = None,
    machine_examples: int | None = None,
) -> Generator[Stage, Statistics | None, int | End]:
    """Yield rounds of generate and curate until enough instructions are accepted (§3.1, §3.2).

    Args:
        run: The run, with the result of prepare.
        history: The stages so far; this function adds to them.
        t: The number of the iteration.
        task_list: The style of the task list; None means I-SHEEP's.
        machine_examples: How many examples in a prompt come from the accepted instructions, if
            there are any; None means none.

    Returns:
        The number of accepted instructions, or the end of the run.
    """

    def generate_stage(number: int, completions: int, previous: str | None) -> Stage:
        return generate(
            run,
            t,
            number,
            completions,
            task_list=task_list,
            machine_examples=machine_examples,
            pool=_pool(run, history, previous),
        )

    def collect_stage(number: int, previous: str | None) -> Stage:
        return curate(run, t, number, previous=previous, pool=history.curates, task_list=task_list)

    rounds = Rounds(
        count=run.spec.instructions.count,
        field="instructions.count",
        generate_stage=generate_stage,
        collect_stage=collect_stage,
    )
    collected = yield from collect(run, history, t, rounds)
    if isinstance(collected, End):
        return collected
    history.curates.append(collected.stage)
    return collected.accepted


def collect(
    run: RunContext, history: History, t: int, rounds: Rounds
) -> Generator[Stage, Statistics | None, Collected | End]:
    """Yield rounds until they have collected their count.

    Args:
        run: The run, with the result of prepare.
        history: The stages so far; this function adds to them.
        t: The number of the iteration.
        rounds: What the rounds collect, and their stages.

    Returns:
        What the rounds have collected, or the end of the run.
    """
    finished: list[Round] = []
    results: list[Statistics] = []
    before = rounds.before
    previous = before.stage or None
    while (completions := next_round(rounds.count, finished)) is not None:
        if (failure := _keep_rate_too_low(run, t, rounds, finished, results)) is not None:
            return (yield from _failed(run, history, t, failure))
        number = before.rounds + len(finished) + 1
        yield history.add(rounds.generate_stage(number, completions, previous))
        stage = rounds.collect_stage(number, previous)
        result = yield history.add(stage)
        if result is None:
            return UNDECIDED
        previous = stage.id
        finished.append(Round(completions, int(result["accepted"]) - before.accepted))
        results.append(result)
    accepted = before.accepted + finished[-1].accepted
    return Collected(str(previous), accepted, before.rounds + len(finished))


def select_and_train(
    run: RunContext, history: History, t: int, pairs: str, items: int
) -> StageGenerator:
    """Yield the stages from the scores of the pairs to the report (§3.2, §3.3).

    With a yardstick, M(t-1) is measured first, because the pods of its responses have loaded it. If
    the next iteration waits for the verdict on M(t), M(t) is measured after its training.

    Args:
        run: The run, with the result of prepare.
        history: The stages so far; this function adds to them.
        t: The number of the iteration.
        pairs: The id of the stage whose output are the pairs.
        items: The number of items in that output: pairs, or instructions if one instruction can
            have several pairs.

    Returns:
        The end of the run, or None if the next iteration can start.
    """
    waits = waits_for_verdicts(run.spec)
    if not waits or t == 1:
        yield from measure_model(run, history.evaluations, t - 1, iteration=t)
    judging = judging_method(run.spec)
    if judging.scores:
        yield history.add(assess(run, t, pairs, items))
        yield from check_scores(run, history.evaluations, t, pairs, items)
        yield from score_anchors(run, history.evaluations, t, pairs, items)
    if judging.losses:
        yield history.add(measure(run, t, pairs, items))
    selected = yield history.add(select(run, t, pairs))
    if selected is None:
        return UNDECIDED
    if (failure := _too_few_samples(run, t, selected)) is not None:
        return (yield from _failed(run, history, t, failure))
    history.selects.append(f"i{t}/select")
    history.pairs.append(pairs)
    yield history.add(train(run, t, [history.selects[i - 1] for i in run.lineage(t)]))
    if run.merges:
        yield history.add(merge(run, t))
    data, is_last = history.data(), t == run.spec.iterations
    if not waits:
        yield from compare_models(run, history.evaluations, data, t - 1, iteration=t)
    if waits or is_last:
        yield from measure_model(run, history.evaluations, t, iteration=t)
        yield from compare_models(run, history.evaluations, data, t, iteration=t)
    following = t if is_last else next_writer(run, history.evaluations, t)
    if isinstance(following, End) and not following.complete:
        return following
    yield report(run, t, history.reported())
    if isinstance(following, End):
        return following
    history.go_on(t, following)
    return None


def _failed(
    run: RunContext, history: History, t: int, failure: RecipeFailure
) -> Generator[Stage, Statistics | None, End]:
    """Yield the report of an iteration whose results end the run, and return this end.

    The report shows what was dropped and why, which is what a user needs now.
    """
    yield report(run, t, history.reported(), failure.message)
    return End(complete=False, failure=failure)


def _pool(run: RunContext, history: History, previous: str | None) -> list[str]:
    """Return the curate stages whose instructions are the pool after the previous round."""
    earlier = history.curates if run.spec.curation.deduplication.pool == "Run" else []
    return [*earlier, *([previous] if previous is not None else [])]


def _keep_rate_too_low(
    run: RunContext,
    t: int,
    rounds: Rounds,
    finished: Sequence[Round],
    results: Sequence[Statistics],
) -> RecipeFailure | None:
    most = run.spec.instructions.max_rounds
    decided = len(finished) >= min(ROUNDS_BEFORE_VERDICT, most)
    if not decided or projected_rounds(rounds.count, finished) <= most:
        return None
    completions = sum(r.completions for r in finished)
    return RecipeFailure(
        Reason.KEEP_RATE_TOO_LOW,
        f"iteration {t}: {finished[-1].accepted} of {rounds.count} {rounds.items} accepted from "
        f"{completions} completions in {len(finished)} rounds; at this rate it takes more than "
        f"instructions.maxRounds = {most}. Dropped, by rule: {_drops(*results)}. "
        f"{_language_hint(finished[-1].accepted, results)}"
        f"Loosen curation, raise instructions.maxRounds or lower {rounds.field}",
    )


def _too_few_samples(run: RunContext, t: int, selected: Statistics) -> RecipeFailure | None:
    kept, wanted = int(selected["kept"]), run.spec.selection.min_samples
    if kept >= max(wanted, 1):
        return None
    own_advice = judging_method(run.spec).advice
    advice = "Lower selection.minSamples, or raise instructions.count"
    return RecipeFailure(
        Reason.TOO_FEW_SAMPLES,
        f"iteration {t}: {kept} pairs were kept, selection.minSamples is {wanted}. Not kept, "
        f"by reason: {_drops(selected)}. {'. '.join(filter(None, (own_advice, advice)))}",
    )


def _drops(*statistics: Statistics) -> str:
    """Return the number of drops by rule as a text, the largest first."""
    counts = _drop_counts(statistics)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered) or "none counted"


def _drop_counts(statistics: Iterable[Statistics]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, count in (item for one in statistics for item in one.items()):
        if name.startswith(DROP):
            counts[name.removeprefix(DROP)] += int(count)
    return counts


def _language_hint(accepted: int, results: Iterable[Statistics]) -> str:
    """Return the sentence about a wrong language, with a blank after it, or an empty text."""
    mismatch = mismatch_of_drops(_drop_counts(results), accepted, "language")
    return f"{mismatch}. " if mismatch else ""
