from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.order import Runtime
from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.registry import ENGINES
from isheep_worker.execution import engine_provider
from isheep_worker.execution.engine_provider import EngineProvider, EngineSpec, engine_runtime
from isheep_worker.runtime.meter import Meter

SPEC = EngineSpec("digest", "Transformers", "float32", 128, Runtime())


class Engine:
    def __init__(self, log: list[str], *arguments: Any, max_adapter_rank: int) -> None:
        self.log = log
        room = f" for rank {max_adapter_rank}" if max_adapter_rank else ""
        log.append(f"open {arguments[1].name}{room}")

    def adapt(self, adapter: Adapter | None) -> None:
        self.log.append(f"adapt {adapter and adapter.name}")

    can_sleep = True

    def sleep(self) -> bool:
        self.log.append("sleep")
        return self.can_sleep

    def wake(self) -> None:
        self.log.append("wake")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(engine_provider, "open_engine", lambda *a, **k: Engine(lines, *a, **k))
    return lines


def test_an_engine_stays_loaded_for_the_same_spec_and_is_closed_for_another(log: list[str]) -> None:
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


def test_an_engine_with_room_for_longer_texts_serves_shorter_ones(log: list[str]) -> None:
    provider = EngineProvider(Meter())
    provider.get(SPEC, Path("base"))
    provider.get(replace(SPEC, max_model_length=64), Path("base"))
    assert log == ["open base"]
    provider.get(replace(SPEC, max_model_length=256), Path("base"))
    assert log == ["open base", "close", "open base"]


def test_a_base_with_memory_for_adapters_serves_with_and_without_them(log: list[str]) -> None:
    provider = EngineProvider(Meter())
    one, other = (Adapter(name, Path(name), 4) for name in ("one", "other"))
    provider.get(SPEC, Path("base"))
    # The base was loaded without memory for adapters.
    assert not provider.loaded(SPEC, one)
    for adapter in (one, one, None, other):
        engine = provider.get(SPEC, Path("base"), adapter)
        assert provider.loaded(SPEC, one)
        assert provider.loaded(SPEC)
    assert provider.get(SPEC, Path("base"), other) is engine
    provider.get(SPEC, Path("base"), Adapter("wide", Path("wide"), 5))
    provider.close()
    assert log == [
        "open base",
        "close",
        "open base for rank 4",
        "adapt one",
        "adapt None",
        "adapt other",
        "close",
        "open base for rank 5",
        "adapt wide",
        "close",
    ]


def test_an_engine_for_a_whole_run_is_loaded_once_and_sleeps_during_a_training(
    log: list[str],
) -> None:
    provider = EngineProvider(Meter())
    spec = replace(SPEC, runtime=Runtime(adapter_rank=4))
    first = provider.get(spec, Path("base"))
    assert provider.sleep()
    assert provider.sleep()
    assert provider.get(spec, Path("base"), Adapter("one", Path("one"), 4)) is first
    assert provider.get(spec, Path("base")) is first
    assert log == ["open base for rank 4", "sleep", "wake", "adapt one", "adapt None"]


def test_an_engine_that_cannot_sleep_is_closed(
    log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = EngineProvider(Meter())
    assert not provider.sleep()
    monkeypatch.setattr(Engine, "can_sleep", False)
    provider.get(SPEC, Path("base"))
    assert not provider.sleep()
    assert log == ["open base", "sleep", "close"]
    assert not provider.loaded(SPEC)
    without = replace(ENGINES["Transformers"], capabilities=frozenset())
    monkeypatch.setitem(engine_provider.ENGINES, "Transformers", without)
    provider.get(SPEC, Path("base"))
    assert not provider.sleep()
    assert log[3:] == ["open base", "close"]


def test_a_setting_that_an_order_omits_has_the_default_of_the_engine() -> None:
    default = engine_provider.EngineRuntime()
    assert engine_runtime(Runtime()) == default
    given = engine_runtime(Runtime(max_num_seqs=8, memory_reduction=2))
    assert (given.max_num_seqs, given.reduced_max_num_seqs) == (8, 2)
    assert engine_runtime(Runtime(adapter_rank=8)).can_sleep
