"""The registry of engines is complete, and its import loads no engine."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from isheep.contract.choices import EngineType
from isheep_worker.engines import registry
from isheep_worker.engines.registry import ENGINES, EngineDefinition, open_engine
from isheep_worker.engines.runtime import EngineRuntime


class RecordingEngine:
    """An engine that records the arguments of its constructor."""

    def __init__(self, *arguments: object, **named: object) -> None:
        self.arguments, self.named = arguments, named


def test_each_value_of_the_field_has_an_entry_with_an_existing_module() -> None:
    assert set(ENGINES) == set(get_args(EngineType))
    assert all(importlib.util.find_spec(engine.module) for engine in ENGINES.values())


def test_an_engine_is_one_module_and_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EngineDefinition(__name__, "RecordingEngine", "json", "", frozenset())
    monkeypatch.setattr(registry, "ENGINES", {**ENGINES, "Recording": entry})
    runtime = EngineRuntime()
    engine = open_engine(
        "Recording",  # type: ignore[arg-type]
        Path("/model"),
        "float32",
        512,
        runtime,
        max_adapter_rank=8,
    )
    assert isinstance(engine, RecordingEngine)
    assert engine.arguments == (Path("/model"), "float32", 512, runtime)
    assert engine.named == {"max_adapter_rank": 8}


def test_the_registry_imports_no_engine() -> None:
    code = (
        "import sys, isheep_worker.engines.registry;"
        "sys.exit(bool({'torch', 'vllm', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
