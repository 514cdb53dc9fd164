"""The stages of the internal recipe EvaluateOnly: M(0) answers the benchmarks and is scored.

The stages are those in which a run with this base model evaluates its M(0), with the same ids and
keys. So such a run and `isheep evaluate MODEL` share the evaluation if they use one store.
"""

from __future__ import annotations

from isheep.api.evaluate_only import EVALUATE_ONLY
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.recipes.benchmarks import BenchmarkStages, answer_benchmarks, score_answers
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.prepare import prepare
from isheep.recipes.defaults import resolve
from isheep.recipes.interface import FINISHED, UNDECIDED, Stages

_BASE, _ITERATION = 0, 1


class EvaluateOnly:
    """The recipe `EvaluateOnly`."""

    definition = EVALUATE_ONLY

    def stages(self, spec: SelfAlignmentRunSpec, prepared: Prepared | None) -> Stages:
        """Yield the stages that evaluate and score M(0)."""
        yield prepare(spec)
        if prepared is None:
            return UNDECIDED
        run, found = RunContext(resolve(spec), prepared), BenchmarkStages()
        yield from answer_benchmarks(run, found, _BASE, _ITERATION)
        yield from score_answers(run, found, _ITERATION)
        return FINISHED
