"""The stages of an iteration that evaluate a model on benchmarks.

The answers are made by the pods that have loaded the model. The scores need no model, so they
come after the training, just before the verdict that reads them. A stage that fails finally is left
out.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace

from isheep.api.evaluation import EvaluatedBenchmark
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import PreparedBenchmark
from isheep.recipes import evaluation_settings as e
from isheep.recipes.builders.benchmarks import answer, base_formats, later_format, score
from isheep.recipes.builders.context import RunContext
from isheep.recipes.interface import Stage, Statistics, has_failed

MEMORIZATION = "memorization"
"""The part of a stage's id for the items that M(0) completes from their first half."""


@dataclass(frozen=True, slots=True)
class Answered:
    """M(t) on a benchmark in a prompt format, and the ids of its stages; `score` is "" at first."""

    benchmark: EvaluatedBenchmark
    prepared: PreparedBenchmark
    prompt_format: PromptFormat
    t: int
    stage: str
    score: str = ""


@dataclass(slots=True)
class BenchmarkStages:
    """The models on benchmarks so far: those whose answers have no scores yet, and the others.

    `done` has the ids of all stages, and whether they have not failed finally. Two benchmarks with
    the same requests have the same stages. `memorized` is the id of the stage in which M(0)
    completes items from their first half, "" without one.
    """

    answers: list[Answered] = field(default_factory=list)
    scores: list[Answered] = field(default_factory=list)
    done: dict[str, bool] = field(default_factory=dict)
    memorized: str = ""

    def stages(self) -> list[str]:
        """Return the ids of the stages that have not failed."""
        return [id_ for id_, succeeded in self.done.items() if succeeded]


def answer_benchmarks(
    run: RunContext, found: BenchmarkStages, t: int, iteration: int
) -> Generator[Stage, Statistics | None, None]:
    """Yield the stages in which M(t) answers the requests of all benchmarks.

    The longest requests come first: an engine that is loaded for them serves the others too.
    """
    pairs = sorted(_prepared(run), key=lambda pair: -pair[1].length)
    for benchmark, prepared in pairs:
        later = (later_format(run.spec, benchmark),)
        for prompt_format in base_formats(run.spec, benchmark) if t == 0 else later:
            if prompt_format not in prepared.requests:
                continue
            stage = answer(run, benchmark.task, prepared, prompt_format, t=t, iteration=iteration)
            yield from _once(found, stage)
            if found.done[stage.id]:
                found.answers.append(Answered(benchmark, prepared, prompt_format, t, stage.id))
    if t == 0 and (items := run.prepared.memorization) is not None:
        stage = answer(run, MEMORIZATION, items, "Raw", t=t, iteration=iteration)
        yield from _once(found, stage)
        found.memorized = stage.id if found.done[stage.id] else ""


def score_answers(
    run: RunContext, found: BenchmarkStages, iteration: int
) -> Generator[Stage, Statistics | None, None]:
    """Yield the stages that score the answers that have no scores yet."""
    waiting, found.answers = found.answers, []
    for one in waiting:
        stage = score(
            run, one.benchmark, one.prepared, one.prompt_format, t=one.t, iteration=iteration
        )
        yield from _once(found, stage)
        if found.done[stage.id]:
            found.scores.append(replace(one, score=stage.id))


def _once(found: BenchmarkStages, stage: Stage) -> Generator[Stage, Statistics | None, None]:
    if stage.id not in found.done:
        found.done[stage.id] = not has_failed((yield stage))


def scored_models(found: BenchmarkStages) -> list[tuple[e.ScoredModel, str]]:
    """Return the models with scores, each with the id of its score stage.

    A benchmark without scores of M(0) is left out, because nothing can be compared with it.
    """
    formats = {(one.benchmark.name, one.prompt_format) for one in found.scores if one.t == 0}
    return [
        (
            e.ScoredModel(benchmark=one.benchmark.name, t=one.t, prompt_format=one.prompt_format),
            one.score,
        )
        for one in found.scores
        if (one.benchmark.name, one.prompt_format) in formats
    ]


def compared_benchmarks(run: RunContext, found: BenchmarkStages) -> list[e.ComparedBenchmark]:
    """Return the benchmarks that have scores of M(0), for the settings of a verdict."""
    names = {model.benchmark for model, _ in scored_models(found)}
    return [
        e.ComparedBenchmark(
            name=benchmark.name,
            digest=prepared.digest,
            role=benchmark.role,
            validation=None if benchmark.share is None else benchmark.share.validation,
            later_format=later_format(run.spec, benchmark),
        )
        for benchmark, prepared in _prepared(run)
        if benchmark.name in names
    ]


def _prepared(run: RunContext) -> Iterator[tuple[EvaluatedBenchmark, PreparedBenchmark]]:
    prepared = run.prepared.evaluation or {}
    for benchmark in run.spec.evaluation.benchmarks if run.spec.evaluation is not None else ():
        if benchmark.name in prepared:
            yield benchmark, prepared[benchmark.name]
