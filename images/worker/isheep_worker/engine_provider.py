"""One engine at a time, kept from order to order while the next wants the same.

Loading is what an iteration wastes most on a small machine, so the local driver gives
consecutive orders to one process and the engine stays. It goes when another is wanted,
before training (which needs the memory), and after any failure: requests that are
still in flight would answer the next stage's questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isheep.api.order import Runtime
from isheep_worker.engines.interface import Engine
from isheep_worker.engines.registry import EngineKind, open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.meter import Activity, Meter


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What makes one loaded engine as good as another. `model` is a digest or a stage's key."""

    model: str
    engine: EngineKind
    dtype: str
    max_model_length: int
    runtime: Runtime


class EngineProvider:
    """Loads engines and remembers the last."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._spec: EngineSpec | None = None
        self._engine: Engine | None = None

    def loaded(self, spec: EngineSpec) -> bool:
        """Return whether this engine is loaded."""
        return self._engine is not None and self._spec == spec

    def get(self, spec: EngineSpec, folder: Path) -> Engine:
        """Return the engine for a model in a folder, loaded; raises `DeviceMemoryError`."""
        if self._engine is not None and self._spec == spec:
            return self._engine
        self.close()
        with self._meter.measure(Activity.LOAD):
            self._engine = open_engine(
                spec.engine,
                folder,
                spec.dtype,
                spec.max_model_length,
                engine_runtime(spec.runtime),
            )
        self._spec = spec
        return self._engine

    def close(self) -> None:
        """Free the device."""
        engine, self._engine, self._spec = self._engine, None, None
        if engine is not None:
            with self._meter.measure(Activity.LOAD):
                engine.close()


def engine_runtime(runtime: Runtime) -> EngineRuntime:
    """Return an order's runtime as engines take it; what is left open stays their default."""
    usual = EngineRuntime()
    return EngineRuntime(
        max_num_seqs=runtime.max_num_seqs or usual.max_num_seqs,
        gpu_memory_utilization=runtime.gpu_memory_utilization or usual.gpu_memory_utilization,
        tensor_parallel_size=runtime.tensor_parallel_size,
        enforce_eager=runtime.enforce_eager,
        memory_reduction=runtime.memory_reduction,
    )
