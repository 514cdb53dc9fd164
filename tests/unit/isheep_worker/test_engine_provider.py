from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isheep.api.order import Runtime
from isheep_worker import engine_provider
from isheep_worker.engine_provider import EngineProvider, EngineSpec, engine_runtime
from isheep_worker.meter import Meter

SPEC = EngineSpec("digest", "Transformers", "float32", 128, Runtime())


class Engine:
    def __init__(self, log: list[str], *arguments: Any) -> None:
        self.log = log
        log.append(f"open {arguments[1].name}")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(engine_provider, "open_engine", lambda *a: Engine(lines, *a))
    return lines


def test_an_engine_stays_for_the_same_wish_and_goes_before_another(log: list[str]) -> None:
    provider = EngineProvider(Meter())
    first = provider.get(SPEC, Path("base"))
    assert provider.get(SPEC, Path("base")) is first
    assert provider.loaded(SPEC)
    other = replace(SPEC, model="other")
    assert not provider.loaded(other)
    provider.get(other, Path("merged"))
    provider.close()
    provider.close()
    assert log == ["open base", "close", "open merged", "close"]
    assert not provider.loaded(other)


def test_what_an_order_leaves_open_is_the_engines_own() -> None:
    usual = engine_provider.EngineRuntime()
    assert engine_runtime(Runtime()) == usual
    asked = engine_runtime(Runtime(max_num_seqs=8, memory_reduction=2))
    assert (asked.max_num_seqs, asked.reduced_max_num_seqs) == (8, 2)
