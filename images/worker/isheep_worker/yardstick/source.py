"""What a verdict is made from: the rows of the evaluations, and of the training sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isheep.contract.choices import CONTAMINATION_NGRAM, DecisiveAction, PromptFormat
from isheep_worker.collapse.row_set import CollapseRow
from isheep_worker.controls.drift import AnchorLook
from isheep_worker.evaluation.memorization import Memorized
from isheep_worker.guards.interface import GuardRule
from isheep_worker.rows.schema import EvaluationRow
from isheep_worker.yardstick.benchmarks import BenchmarkSeries
from isheep_worker.yardstick.grade_section import GradedAnswers
from isheep_worker.yardstick.judgement_section import JudgedAnswers


@dataclass(frozen=True, slots=True)
class DataSet:
    """D(t): its rows, which can be read repeatedly, and the prompt format of its responses.

    `detailed` returns the same rows with the log-probabilities of the responses and the exemplars
    of the prompts, which are in other stages; None if there are no such rows. Reading them takes
    longer.
    """

    rows: Callable[[], Iterable[CollapseRow]]
    prompt_format: PromptFormat
    detailed: Callable[[], Iterable[CollapseRow]] | None = None


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """What decides how the run goes on, and which model is the best one.

    `action` is what an alarm causes, None if it only warns. `best` is the metric of the best model,
    None for the last model. `stopping` is a metric with its patience, None for no such rule.
    """

    action: DecisiveAction | None = None
    best: str | None = None
    stopping: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class VerdictSource:
    """The evaluations and training sets so far, by t; M(0) is among the evaluations.

    `answer_format` is the prompt format of all answers. `rules` are those of the guards, and
    `planned_looks` is the number of iterations of the run. `decision` has the rules that read the
    comparison. `benchmarks` has the models on each benchmark, and `benchmark_texts` the texts of
    its items by its name; `ngram` consecutive words of them in D(t) are an overlap. `judgements`
    has what the judge says about the models, and `graded` the grades that it gives them.
    `yardstick_texts` has the texts of the yardstick's tasks with their outputs, and `ngram` words
    of them are an overlap too. `anchors` has the scores of the same pairs by the assessors of the
    iterations. Without a yardstick there are no evaluations.
    """

    evaluations: Mapping[int, Sequence[EvaluationRow]]
    answer_format: PromptFormat
    random_seed: int
    data: Mapping[int, DataSet] = field(default_factory=dict)
    rules: Sequence[GuardRule] = ()
    planned_looks: int = 1
    decision: DecisionRules = DecisionRules()
    anchors: Sequence[AnchorLook] = ()
    benchmarks: Sequence[BenchmarkSeries] = ()
    judgements: Sequence[JudgedAnswers] = ()
    graded: Sequence[GradedAnswers] = ()
    benchmark_texts: Mapping[str, Iterable[str]] = field(default_factory=dict)
    yardstick_texts: Sequence[str] = ()
    ngram: int = CONTAMINATION_NGRAM

    memorized: Mapping[str, Memorized] = field(default_factory=dict)
    """What M(0) completes of the items of each benchmark, by its name."""

    @property
    def newest(self) -> int:
        """The t of the newest model."""
        return max({*self.evaluations, *self.data})
