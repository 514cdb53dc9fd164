"""The GPUs that this machine offers, found without torch.

If `CUDA_VISIBLE_DEVICES` is set, it decides, as for any CUDA program. Otherwise `nvidia-smi -L`
lists the GPUs. Each worker sees its own share only.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import Pool as PoolName
from isheep.contract.gpu_resources import WHOLE_GPU, asks_for_gpus


class TooFewDevicesError(ValueError):
    """The machine has fewer GPUs than one worker of this run needs."""


_UUID = re.compile(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)")
_SECONDS = 30
GPU_SLICE = "nvidia.com/mig-slice"


def nvidia_smi() -> str:
    """Return the output of `nvidia-smi -L`, or "" if there is no such program or no GPU."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607  found on the PATH, as any user would run it
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""


def visible_devices(
    environment: Mapping[str, str], list_devices: Callable[[], str] = nvidia_smi
) -> tuple[str, ...]:
    """Return the GPUs by the names that `CUDA_VISIBLE_DEVICES` accepts; empty without GPUs.

    The result contains the MIG instances of a GPU instead of the GPU.
    """
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = tuple(name.strip() for name in chosen.split(","))
        # CUDA ignores all names after the first invalid one.
        return names[: _first_invalid(names)]
    gpus: list[list[str]] = []
    for uuid in _UUID.findall(list_devices()):
        if uuid.startswith("GPU-"):
            gpus.append([uuid])
        elif gpus:
            gpus[-1].append(uuid)
    return tuple(name for gpu in gpus for name in (gpu[1:] or gpu))


def gpu_resources(devices: Sequence[str]) -> dict[str, int]:
    """Return devices by the resource that a cluster counts them as; the size of a slice is unknown.

    Args:
        devices: Names that `CUDA_VISIBLE_DEVICES` accepts.
    """
    slices = sum(name.startswith("MIG-") for name in devices)
    counts = {WHOLE_GPU: len(devices) - slices, GPU_SLICE: slices}
    return {name: count for name, count in counts.items() if count}


def gpu_field(spec: SelfAlignmentRunSpec) -> str | None:
    """Return the field of a spec that asks for GPUs, such as `engine.vllm.tensorParallelSize`."""
    for pool in PoolName:
        settings = spec.compute.pool(pool)
        for part in ("limits", "requests"):
            if asks_for_gpus(getattr(settings.resources, part)):
                return f"compute.{pool}.resources.{part}"
        if settings.resource_claims:
            return f"compute.{pool}.resourceClaims"
    if spec.engine.vllm.tensor_parallel_size > 1:
        return "engine.vllm.tensorParallelSize"
    return None


def groups(devices: Sequence[str], size: int) -> tuple[tuple[str, ...], ...]:
    """Return the devices in groups of `size`; one empty group if there are no devices.

    Raises:
        TooFewDevicesError: There are devices, but fewer than `size`.
    """
    if not devices:
        return ((),)
    if len(devices) < size:
        raise TooFewDevicesError(
            f"engine.vllm.tensorParallelSize is {size}, but this machine offers {len(devices)} "
            "GPU(s): lower the value, or list more GPUs in CUDA_VISIBLE_DEVICES"
        )
    count = len(devices) // size
    return tuple(tuple(devices[i * size : (i + 1) * size]) for i in range(count))


def _first_invalid(names: Sequence[str]) -> int:
    return next((i for i, name in enumerate(names) if name in {"", "-1"}), len(names))
