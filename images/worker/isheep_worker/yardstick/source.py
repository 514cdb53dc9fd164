"""What a verdict is made from: the rows of the evaluations, and of the training sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isheep.contract.choices import PromptFormat
from isheep_worker.collapse.row_set import CollapseRow
from isheep_worker.guards.interface import GuardRule
from isheep_worker.rows.schema import EvaluationRow


@dataclass(frozen=True, slots=True)
class DataSet:
    """D(t): its rows, which can be read repeatedly, and the prompt format of its responses."""

    rows: Callable[[], Iterable[CollapseRow]]
    prompt_format: PromptFormat


@dataclass(frozen=True, slots=True)
class VerdictSource:
    """The evaluations and training sets so far, by t; M(0) is among the evaluations.

    `answer_format` is the prompt format of all answers. `rules` are those of the guards, and
    `planned_looks` is the number of iterations of the run.
    """

    evaluations: Mapping[int, Sequence[EvaluationRow]]
    answer_format: PromptFormat
    random_seed: int
    data: Mapping[int, DataSet] = field(default_factory=dict)
    rules: Sequence[GuardRule] = ()
    planned_looks: int = 1
