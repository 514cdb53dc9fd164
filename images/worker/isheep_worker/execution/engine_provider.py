"""One engine at a time, kept from order to order while the next can use it.

Loading is what an iteration wastes most on a small machine, so the local driver gives
consecutive orders to one process and the engine stays. It goes when another is wanted,
before training (which needs the memory), and after any failure: requests that are
still in flight would answer the next stage's questions.

A base that was loaded with room for an adapter serves with it, without it, and with
another one: only the adapter is changed then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isheep.contract.order import Runtime
from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.interface import Engine
from isheep_worker.engines.registry import EngineKind, open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.runtime.meter import Activity, Meter


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What makes one loaded engine as good as another, adapters aside.

    `model` is a digest or a stage's key.
    """

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
        self._adapter: Adapter | None = None
        self._max_adapter_rank = 0

    def loaded(self, spec: EngineSpec, adapter: Adapter | None = None) -> bool:
        """Return whether an engine is loaded that serves this base, and has room for the adapter.

        It may be answering with another adapter so far, or with none.
        """
        fits = adapter is None or adapter.rank <= self._max_adapter_rank
        return self._engine is not None and self._spec == spec and fits

    def get(self, spec: EngineSpec, folder: Path, adapter: Adapter | None = None) -> Engine:
        """Return the engine for the weights in a folder, with the adapter beside them if any.

        Raises `DeviceMemoryError` and `AdapterError`.
        """
        engine = self._engine
        with self._meter.measure(Activity.LOAD):
            if engine is None or not self.loaded(spec, adapter):
                self.close()
                engine = self._open(spec, folder, adapter.rank if adapter else 0)
            if adapter != self._adapter:
                engine.adapt(adapter)
                self._adapter = adapter
        return engine

    def _open(self, spec: EngineSpec, folder: Path, max_adapter_rank: int) -> Engine:
        self._engine = open_engine(
            spec.engine,
            folder,
            spec.dtype,
            spec.max_model_length,
            engine_runtime(spec.runtime),
            max_adapter_rank=max_adapter_rank,
        )
        self._spec, self._max_adapter_rank = spec, max_adapter_rank
        return self._engine

    def close(self) -> None:
        """Free the device."""
        engine, self._engine, self._spec, self._adapter = self._engine, None, None, None
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
