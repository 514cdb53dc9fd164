"""The result of prepare that can be expected after an edit of the benchmarks, for a plan.

prepare renders the requests of a new benchmark, so their digest is unknown before it runs. Nothing
else in the result depends on the benchmarks. So a plan can show before prepare which stages exist
and which do not. A stage whose settings have an unknown digest has no key yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isheep.api.evaluation import EvaluatedBenchmark, Evaluation
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared, PreparedBenchmark
from isheep.recipes.builders.benchmarks import base_formats
from isheep.recipes.settings import StageSettings

PREDICTED_FIELDS = (
    "evaluation",
    "evaluation.benchmarks",
    "evaluation.randomSeed",
    "evaluation.allowCodeExecution",
    "evaluation.contaminatedResponses",
)
"""Fields that prepare reads and whose effect on its result is known before it runs."""

_UNKNOWN = "?" * 56
"""The end of a digest that only prepare knows. Stage ids show the characters before it."""


def expected_prepared(
    prepared: Prepared, before: SelfAlignmentRunSpec, now: SelfAlignmentRunSpec
) -> Prepared | None:
    """Return the result of prepare for `now`, from its result for `before`.

    The two specs differ only in `PREDICTED_FIELDS` among the fields that prepare reads. The result
    is None if it cannot be expected: if the questions for the judge differ.
    """
    old, new = before.evaluation or Evaluation(), now.evaluation or Evaluation()
    if old.judgements != new.judgements or (old.judgements and old.random_seed != new.random_seed):
        return None
    known = _known(prepared, old) if old.random_seed == new.random_seed else {}
    found = {one.name: one for one in new.judgements or ()}
    kept = {n: one for n, one in (prepared.evaluation or {}).items() if n in found}
    benchmarks = {
        one.name: known.get(_identity(one)) or _unknown(number, now, one)
        for number, one in enumerate(new.benchmarks)
    }
    return prepared.model_copy(
        update={
            "evaluation": {**benchmarks, **kept} or None,
            "evaluation_texts": _texts(prepared, old, new),
            "harness": (prepared.harness or _UNKNOWN) if benchmarks else None,
        }
    )


def is_unknown(settings: StageSettings) -> bool:
    """Return whether settings contain a digest that only prepare knows."""
    return _contains_unknown(settings.canonical())


def _known(prepared: Prepared, old: Evaluation) -> Mapping[str, PreparedBenchmark]:
    found = prepared.evaluation or {}
    return {_identity(one): found[one.name] for one in old.benchmarks if one.name in found}


def _identity(benchmark: EvaluatedBenchmark) -> str:
    """Return what the requests of a benchmark depend on, as one value that can be compared."""
    return benchmark.model_dump_json(exclude={"name", "role", "decontaminate"})


def _unknown(
    number: int, spec: SelfAlignmentRunSpec, benchmark: EvaluatedBenchmark
) -> PreparedBenchmark:
    return PreparedBenchmark(
        digest=f"unknown{number}{_UNKNOWN}",
        requests=dict.fromkeys(base_formats(spec, benchmark), 0),
        length=0,
    )


def _texts(prepared: Prepared, old: Evaluation, new: Evaluation) -> str | None:
    """Return the digest of the texts that are kept out of the training."""
    dropped = _dropped(new)
    if not dropped:
        return None
    return prepared.evaluation_texts if dropped == _dropped(old) else _UNKNOWN


def _dropped(evaluation: Evaluation) -> list[tuple[str, str | None]]:
    """Return the task and the place of each benchmark that is kept out, in order."""
    return [
        (one.task, one.storage_uri) for one in evaluation.benchmarks if one.decontaminate == "Drop"
    ]


def _contains_unknown(value: Any) -> bool:
    if isinstance(value, str):
        return value.endswith(_UNKNOWN)
    if isinstance(value, Mapping):
        return any(map(_contains_unknown, value.values()))
    return isinstance(value, list | tuple) and any(map(_contains_unknown, value))
