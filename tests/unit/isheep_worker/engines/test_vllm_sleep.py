"""vLLM's sleep mode, over a fake vLLM: no machine without a GPU has the real one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from isheep_worker.engines import vllm_engine
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.engines.vllm_engine import VLLMEngine


class Platform:
    """vLLM's description of a device."""

    def __init__(self, *, cuda: bool = True, sleep: bool = True, allocator: bool = True) -> None:
        self._cuda, self._sleep, self._allocator = cuda, sleep, allocator

    def is_cpu(self) -> bool:
        return False

    def is_cuda_alike(self) -> bool:
        return self._cuda

    def is_sleep_mode_available(self) -> bool:
        return self._sleep

    def is_cumem_allocator_available(self) -> bool:
        return self._allocator

    def get_device_name(self) -> str:
        return "fake"


class FakeEngine:
    """The part of vLLM's `LLMEngine` that sleeps, with its names and arguments in vLLM 0.32."""

    vllm_config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=8))
    model_config = SimpleNamespace(max_model_len=128)

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.calls: list[str] = []
        self.full = False

    def sleep(self, level: int = 1, mode: str = "abort") -> None:
        assert self.settings["enable_sleep_mode"]
        self.calls.append(f"sleep {level} {mode}")

    def wake_up(self, tags: list[str] | None = None) -> None:
        if self.full:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        self.calls.append(f"wake_up {tags}")


def opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: Platform, *, can_sleep: bool = True
) -> tuple[VLLMEngine, FakeEngine]:
    """Open the engine on a platform; return it with the fake engine below it."""
    envs, platforms = ModuleType("vllm.envs"), ModuleType("vllm.platforms")
    envs.disable_envs_cache = lambda: None  # type: ignore[attr-defined]
    platforms.current_platform = platform  # type: ignore[attr-defined]
    for module in (ModuleType("vllm"), envs, platforms):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    started: list[FakeEngine] = []

    def start(settings: dict[str, Any]) -> FakeEngine:
        started.append(FakeEngine(settings))
        return started[-1]

    monkeypatch.setattr(vllm_engine, "_start", start)
    (tmp_path / "config.json").write_text("{}")
    runtime = EngineRuntime(can_sleep=can_sleep)
    return VLLMEngine(tmp_path, "bfloat16", 128, runtime), started[0]


def test_an_engine_sleeps_and_wakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine, fake = opened(monkeypatch, tmp_path, Platform())
    assert engine.sleep()
    engine.wake()
    assert fake.calls == ["sleep 1 abort", "wake_up None"]
    fake.full = True
    with pytest.raises(DeviceMemoryError, match="waking the engine"):
        engine.wake()


@pytest.mark.parametrize(
    ("platform", "can_sleep"),
    [
        (Platform(), False),
        (Platform(cuda=False), True),
        (Platform(sleep=False), True),
        (Platform(allocator=False), True),
    ],
)
def test_an_engine_that_was_started_without_sleep_mode_does_not_sleep(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: Platform, can_sleep: bool
) -> None:
    engine, fake = opened(monkeypatch, tmp_path, platform, can_sleep=can_sleep)
    assert "enable_sleep_mode" not in fake.settings
    assert not engine.sleep()
    assert fake.calls == []


def test_the_fake_has_the_names_of_the_installed_vllm() -> None:
    """The real names are read from the source, because an import of vLLM takes long."""
    vllm = next(
        (Path(path) / "vllm" for path in sys.path if (Path(path) / "vllm/v1").is_dir()), None
    )
    if vllm is None:
        pytest.skip("vLLM is not installed")
    engine = (vllm / "v1/engine/llm_engine.py").read_text()
    assert 'def sleep(self, level: int = 1, mode: PauseMode = "abort")' in engine
    assert "def wake_up(self, tags: list[str] | None = None)" in engine
    assert "enable_sleep_mode: bool" in (vllm / "engine/arg_utils.py").read_text()
    interface = (vllm / "platforms/interface.py").read_text()
    for name in ("is_cuda_alike", "is_sleep_mode_available", "is_cumem_allocator_available"):
        assert f"def {name}(self) -> bool" in interface
