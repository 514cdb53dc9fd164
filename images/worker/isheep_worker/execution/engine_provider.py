"""One engine at a time, which stays loaded while the next order can use it.

On a small machine, loading models takes the largest useless share of an iteration. Therefore the
local driver gives consecutive orders to one process, which keeps the engine. The engine is closed
when a stage needs another one, before training (which needs the memory), and after every failure:
its requests in flight would otherwise complete during the next stage.

A base model that was loaded with memory for an adapter can serve with this adapter, with another
one, and without any. A change of the adapter does not load the base model again. If a run uses such
an engine in all iterations, the engine sleeps during a training instead of being closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from isheep.contract.choices import EngineType
from isheep.contract.order import Runtime
from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.interface import Engine
from isheep_worker.engines.registry import ENGINES, Capability, open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.runtime.meter import Activity, Meter


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """The properties of a loaded engine; two engines with equal specs are interchangeable.

    `model` is the digest of a base model or the key of a stage. Adapters are not included.
    """

    model: str
    engine: EngineType
    dtype: str
    max_model_length: int
    runtime: Runtime


class EngineProvider:
    """Loads engines and keeps the last one."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._spec: EngineSpec | None = None
        self._engine: Engine | None = None
        self._adapter: Adapter | None = None
        self._max_adapter_rank = 0
        self._asleep = False

    def loaded(self, spec: EngineSpec, adapter: Adapter | None = None) -> bool:
        """Return whether the loaded engine serves this base model and has memory for the adapter.

        The engine may currently use another adapter, or none. An engine with room for longer texts
        serves shorter ones too.
        """
        fits = adapter is None or adapter.rank <= self._max_adapter_rank
        if self._engine is None or self._spec is None or not fits:
            return False
        length = self._spec.max_model_length
        return length >= spec.max_model_length and self._spec == replace(
            spec, max_model_length=length
        )

    def get(self, spec: EngineSpec, folder: Path, adapter: Adapter | None = None) -> Engine:
        """Return the engine for the weights in a folder, with an adapter if one is given.

        Raises:
            DeviceMemoryError: The device's memory is exhausted.
            AdapterError: The engine cannot serve the adapter.
        """
        engine = self._engine
        with self._meter.measure(Activity.LOAD):
            if engine is None or not self.loaded(spec, adapter):
                self.close()
                rank = max(adapter.rank if adapter else 0, spec.runtime.adapter_rank or 0)
                engine = self._open(spec, folder, rank)
            if self._asleep:
                engine.wake()
                self._asleep = False
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

    def sleep(self) -> bool:
        """Free the GPU, and keep the engine for the next `get` if it can sleep.

        Returns:
            Whether there is an engine, and it sleeps. An engine that cannot sleep is closed.
        """
        if self._engine is None or self._spec is None or self._asleep:
            return self._asleep
        if Capability.SLEEP in ENGINES[self._spec.engine].capabilities:
            with self._meter.measure(Activity.LOAD):
                self._asleep = self._engine.sleep()
        if not self._asleep:
            self.close()
        return self._asleep

    def close(self) -> None:
        """Free the device."""
        self._asleep = False
        engine, self._engine, self._spec, self._adapter = self._engine, None, None, None
        if engine is not None:
            with self._meter.measure(Activity.LOAD):
                engine.close()


def engine_runtime(runtime: Runtime) -> EngineRuntime:
    """Return the engine settings of an order; a setting that the order omits has its default."""
    default = EngineRuntime()
    return EngineRuntime(
        max_num_seqs=runtime.max_num_seqs or default.max_num_seqs,
        gpu_memory_utilization=runtime.gpu_memory_utilization or default.gpu_memory_utilization,
        tensor_parallel_size=runtime.tensor_parallel_size,
        enforce_eager=runtime.enforce_eager,
        memory_reduction=runtime.memory_reduction,
        can_sleep=runtime.adapter_rank is not None,
    )
