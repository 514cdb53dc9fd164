"""The metric `code_eval` of Hugging Face's `evaluate`, with our sandbox.

lm-eval's tasks for code (HumanEval, MBPP) load this metric from the hub when they are imported, and
it would execute generated programs as the worker. They get `CODE_EVAL` instead, which has the same
interface and gives the programs to a sandbox.

A program is the generated text and the tests of its item. pass@k is the unbiased estimate of
"Evaluating Large Language Models Trained on Code" (Chen et al. 2021, equation 1).
"""

from __future__ import annotations

import importlib
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from isheep_worker.runtime.errors import BadInputError
from isheep_worker.sandbox.limits import Limits
from isheep_worker.sandbox.process import Verdict

_EVALUATE, _NAME = "evaluate", "code_eval"
_TIMEOUT_SECONDS = 3.0
_WALL_FACTOR = 4
"""A program may take this many times its time on a processor: the machine can have other work."""
_NOT_RUN = Verdict(False, "not run")

Run = Callable[[Sequence[str], Limits], list[Verdict]]
Results = Mapping[int, list[tuple[int, Mapping[str, Any]]]]


class CodeEval:
    """The metric; it has no sandbox until `running` gives it one."""

    def __init__(self) -> None:
        self._run: Run = _refuse

    def compute(
        self,
        *,
        predictions: Sequence[Sequence[str]],
        references: Sequence[str],
        k: Sequence[int] = (1, 10, 100),
        num_workers: int = 1,
        timeout: float = _TIMEOUT_SECONDS,
    ) -> tuple[Mapping[str, float], Results]:
        """Execute the predictions of each item with its tests.

        Args:
            predictions: The generated programs of each item.
            references: The tests of each item, which are executed after a program.
            k: The numbers of answers for which pass@k is computed. A number is left out if an item
                has fewer predictions.
            num_workers: Has no effect; programs run one after the other.
            timeout: The seconds on a processor that a program has, rounded up.

        Returns:
            The shares pass@k by name, and by the item's number the verdicts of its predictions.

        Raises:
            BadInputError: There is no sandbox.
            SandboxError: The sandbox does not answer.
        """
        del num_workers
        programs = [
            f"{prediction}\n{tests}"
            for item, tests in zip(predictions, references, strict=True)
            for prediction in item
        ]
        verdicts = iter(self._run(programs, Limits(math.ceil(timeout), _WALL_FACTOR * timeout)))
        results: dict[int, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
        for number, item in enumerate(predictions):
            for place in range(len(item)):
                results[number].append((place, _row(number, place, next(verdicts))))
        counts = [
            (len(rows), sum(row["passed"] for _, row in rows))
            for rows in (results[number] for number in range(len(predictions)))
        ]
        return {
            f"pass@{one}": math.fsum(_pass_at(one, *count) for count in counts) / len(counts)
            for one in k
            if counts and all(total >= one for total, _ in counts)
        }, results

    @contextmanager
    def running(self, run: Run) -> Iterator[None]:
        """Execute programs with this function in the body, for example a sandbox's `run`."""
        before, self._run = self._run, run
        try:
            yield
        finally:
            self._run = before


@contextmanager
def code_eval_bound() -> Iterator[None]:
    """Give `CODE_EVAL` to the tasks that are loaded in the body.

    A task tries the metric when it is imported. No program runs then.

    `evaluate` itself is imported only for another metric, because its import takes seconds.
    """
    module = ModuleType(_EVALUATE)
    module.__dict__["load"] = _load
    before = sys.modules.get(_EVALUATE)
    sys.modules[_EVALUATE] = module
    try:
        with CODE_EVAL.running(lambda programs, _: [_NOT_RUN] * len(programs)):
            yield
    finally:
        del sys.modules[_EVALUATE]
        if before is not None:
            sys.modules[_EVALUATE] = before


def _load(name: str, *rest: Any, **options: Any) -> Any:
    """Take the place of `evaluate.load`."""
    if name == _NAME:
        return CODE_EVAL
    replaced = sys.modules.pop(_EVALUATE, None)
    try:
        return importlib.import_module(_EVALUATE).load(name, *rest, **options)
    finally:
        if replaced is not None:
            sys.modules[_EVALUATE] = replaced


def _refuse(programs: Sequence[str], limits: Limits) -> list[Verdict]:
    del programs, limits
    raise BadInputError(
        "the task executes generated code, and there is no sandbox for it: set "
        "evaluation.allowCodeExecution: true, or use another task"
    )


def _row(number: int, place: int, verdict: Verdict) -> Mapping[str, Any]:
    return {
        "task_id": number,
        "passed": verdict.passed,
        "result": verdict.result,
        "completion_id": place,
    }


def _pass_at(k: int, total: int, passed: int) -> float:
    """Return the probability that one of k answers passes, drawn without replacement."""
    return 1.0 - math.comb(total - passed, k) / math.comb(total, k)


CODE_EVAL = CodeEval()
"""The metric of this process. A task's module keeps it, so there is one only."""
