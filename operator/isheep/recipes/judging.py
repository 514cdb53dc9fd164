"""The stages of an iteration in which models answer questions, and the judge of the run judges.

The answers are made by the pods that have loaded the model, as those on benchmarks. The judge is
another model, so its stages have Jobs of their own, after the training. Each of them reads the
answers of M(t) and of M(0) and judges all of them, so a judge that changes over time changes no
comparison. A stage that fails finally is left out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from isheep.api.evaluation import Judgement
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import PreparedBenchmark
from isheep.recipes import evaluation_settings as e
from isheep.recipes.builders.benchmarks import answer, base_formats, later_format
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.judgements import grade, judge
from isheep.recipes.interface import Stage, Statistics, has_failed

_TASK = "questions"
"""The part of a stage's id that says what is answered; the digest names the judgement."""


@dataclass(slots=True)
class JudgementStages:
    """The stages on judgements so far.

    `answers` has the ids of the answers by name of the judgement, t and prompt format. `judged` has
    the models with preferences and `graded` those with grades, each with the id of its judge stage.
    `done` has the ids of all stages, and whether they have not failed finally.
    """

    answers: dict[tuple[str, int, PromptFormat], str] = field(default_factory=dict)
    judged: list[tuple[e.JudgedModel, str]] = field(default_factory=list)
    graded: list[tuple[e.GradedModel, str]] = field(default_factory=list)
    done: dict[str, bool] = field(default_factory=dict)

    def stages(self) -> list[str]:
        """Return the ids of the stages that have not failed."""
        return [id_ for id_, succeeded in self.done.items() if succeeded]


def answer_questions(
    run: RunContext, found: JudgementStages, t: int, iteration: int
) -> Generator[Stage, Statistics | None, None]:
    """Yield the stages in which M(t) answers the questions of all judgements.

    M(0) answers nothing for a judgement that compares with the user's answers.
    """
    pairs = sorted(_prepared(run), key=lambda pair: -pair[1].length)
    for judgement, prepared in pairs:
        formats: tuple[PromptFormat, ...] = (later_format(run.spec, judgement),)
        if t == 0:
            formats = base_formats(run.spec, judgement) if judgement.against == "Base" else ()
        for prompt_format in formats:
            stage = answer(run, _TASK, prepared, prompt_format, t=t, iteration=iteration)
            yield from _once(found, stage)
            if found.done[stage.id]:
                found.answers[judgement.name, t, prompt_format] = stage.id


def judge_answers(
    run: RunContext, found: JudgementStages, t: int, iteration: int
) -> Generator[Stage, Statistics | None, None]:
    """Yield the stages in which the judge judges the answers of M(t) and those of M(0)."""
    if t == 0:
        return
    for judgement, prepared in _prepared(run):
        answers = found.answers.get((judgement.name, t, later_format(run.spec, judgement)))
        if answers is None:
            continue
        step = _compare if judgement.kind == "WinRate" else _grade
        yield from step(run, found, judgement, prepared, t=t, iteration=iteration, answers=answers)


def _compare(
    run: RunContext,
    found: JudgementStages,
    judgement: Judgement,
    prepared: PreparedBenchmark,
    *,
    t: int,
    iteration: int,
    answers: str,
) -> Generator[Stage, Statistics | None, None]:
    """Yield the stages in which the judge compares the answers of M(t) with other answers.

    M(t) has no figure if one of its comparisons fails: the better format of M(0) is unknown then.
    """
    judged: list[tuple[e.JudgedModel, str]] = []
    for base in _others(run, found, judgement):
        stage = judge(
            run, judgement, prepared, t=t, iteration=iteration, answers=answers, base=base
        )
        yield from _once(found, stage)
        model = e.JudgedModel(
            judgement=judgement.name,
            digest=prepared.digest,
            t=t,
            base_format=None if base is None else base[0],
        )
        judged.append((model, stage.id))
    if all(found.done[id_] for _, id_ in judged):
        found.judged += judged


def _grade(
    run: RunContext,
    found: JudgementStages,
    judgement: Judgement,
    prepared: PreparedBenchmark,
    *,
    t: int,
    iteration: int,
    answers: str,
) -> Generator[Stage, Statistics | None, None]:
    """Yield the stage in which the judge grades the answers of M(t) and of M(0), if M(0) has some.

    One stage grades all of them, in each prompt format of M(0).
    """
    bases = [base for base in _others(run, found, judgement) if base is not None]
    if not bases:
        return
    stage = grade(run, judgement, prepared, t=t, iteration=iteration, answers=answers, bases=bases)
    yield from _once(found, stage)
    if found.done[stage.id]:
        model = e.GradedModel(
            judgement=judgement.name,
            digest=prepared.digest,
            t=t,
            base_formats=tuple(prompt_format for prompt_format, _ in bases),
        )
        found.graded.append((model, stage.id))


def _others(
    run: RunContext, found: JudgementStages, judgement: Judgement
) -> list[tuple[PromptFormat, str] | None]:
    """Return the prompt formats of M(0) with its answers; None stands for the user's answers.

    The list is empty if M(0) has no answers in one of its formats.
    """
    if judgement.against == "Outputs":
        return [None]
    formats = base_formats(run.spec, judgement)
    known = {one: found.answers.get((judgement.name, 0, one)) for one in formats}
    if None in known.values():
        return []
    return [(one, id_) for one, id_ in known.items() if id_ is not None]


def _once(found: JudgementStages, stage: Stage) -> Generator[Stage, Statistics | None, None]:
    if stage.id not in found.done:
        found.done[stage.id] = not has_failed((yield stage))


def _prepared(run: RunContext) -> Iterator[tuple[Judgement, PreparedBenchmark]]:
    prepared = run.prepared.evaluation or {}
    evaluation = run.spec.evaluation
    for judgement in (evaluation.judgements or ()) if evaluation is not None else ():
        if judgement.name in prepared:
            yield judgement, prepared[judgement.name]
