"""The engine of a run must be installed and have the capabilities that the run needs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes.defaults import resolve
from isheep_worker.engines import registry
from isheep_worker.engines.registry import Capability
from isheep_worker.preparation.engine import required_capabilities, resolve_engine
from isheep_worker.runtime.errors import BadInputError

SPEC = {
    "recipe": "ISheep",
    "iterations": 2,
    "model": {"storageUri": "hf://o/m"},
    "engine": {"type": "Transformers"},
}
FREE = {"assessment": {"decoding": "Free"}}


def spec_of(**fields: Any) -> SelfAlignmentRunSpec:
    return resolve(SelfAlignmentRunSpec.read(SPEC | fields))


def change_engine(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Replace fields of the registry's entry for the Transformers engine."""
    entry = dataclasses.replace(registry.ENGINES["Transformers"], **changes)
    monkeypatch.setitem(registry.ENGINES, "Transformers", entry)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "capabilities"),
    [
        (FREE, set()),
        ({"assessment": {"decoding": "Constrained"}}, {Capability.REGULAR_EXPRESSIONS}),
        (
            {"assessment": {"decoding": "Constrained"}, "selection": {"method": "None"}},
            set(),
        ),
        (
            {"assessment": {"decoding": "Free", "scoring": "Expected"}},
            {Capability.LABEL_PROBABILITIES},
        ),
        (
            {"assessment": {"decoding": "Constrained", "compare": 64}},
            {Capability.REGULAR_EXPRESSIONS, Capability.LABEL_PROBABILITIES},
        ),
        ({**FREE, "training": {"handover": "Adapter"}}, {Capability.ADAPTERS}),
        ({**FREE, "training": {"handover": "Adapter"}, "iterations": 1}, set()),
    ],
)
def test_the_fields_of_the_spec_decide_the_capabilities(
    fields: dict[str, Any], capabilities: set[Capability]
) -> None:
    assert set(required_capabilities(spec_of(**fields))) == capabilities


def test_an_engine_without_a_needed_capability_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    change_engine(monkeypatch, capabilities=frozenset())
    assert resolve_engine(spec_of(**FREE)) == "Transformers"
    message = (
        "^engine.type: Transformers does not support regular-expressions, which "
        "assessment.decoding: Constrained needs; set engine.type: VLLM, or change that field$"
    )
    with pytest.raises(BadInputError, match=message):
        resolve_engine(spec_of(assessment={"decoding": "Constrained"}))


def test_an_engine_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    change_engine(monkeypatch, library="no_such_library")
    message = (
        "^engine.type: Transformers, but no_such_library is not installed here; install the extra "
        "`cpu`, or set engine.type: VLLM$"
    )
    with pytest.raises(BadInputError, match=message):
        resolve_engine(spec_of(**FREE))
