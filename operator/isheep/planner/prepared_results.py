"""What prepare has found, from the result of its worker in either form."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import StageResult
from isheep.contract.packed_prepared import unpack
from isheep.contract.prepared import Prepared


def prepared_of(result: StageResult, spec: SelfAlignmentRunSpec) -> Prepared | None:
    """Return what prepare has found; None if the result contains nothing, or cannot be read.

    `spec` is the resolved spec of the order, because the short form has no names.
    """
    if result.prepared is not None or result.packed is None:
        return result.prepared
    try:
        return unpack(result.packed, names_of(spec))
    except ValueError:
        return None


def names_of(spec: SelfAlignmentRunSpec) -> Mapping[str, Collection[str]]:
    """Return the names of a spec for the fields of `Prepared` that have names."""
    evaluated: list[str] = []
    if spec.evaluation is not None:
        evaluated += (one.name for one in spec.evaluation.benchmarks)
        evaluated += (one.name for one in spec.evaluation.judgements or ())
    return {
        "benchmarks": [one.name for one in spec.curation.decontamination.benchmarks],
        "evaluation": evaluated,
    }
