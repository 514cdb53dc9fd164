"""Which GPUs this machine lends us, without importing torch.

`CUDA_VISIBLE_DEVICES` decides where it is set, as for any CUDA program; otherwise
`nvidia-smi -L` lists them. Each worker is then shown its own share only.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence


class TooFewDevicesError(ValueError):
    """The machine has fewer GPUs than one worker of this run needs."""


_UUID = re.compile(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)")
_SECONDS = 30


def nvidia_smi() -> str:
    """Return what `nvidia-smi -L` says, or nothing where there is no such program or GPU."""
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
    """Return the GPUs by the names that `CUDA_VISIBLE_DEVICES` takes; empty on a CPU machine.

    A GPU cut into MIG instances stands for those instances.
    """
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = tuple(name.strip() for name in chosen.split(","))
        # As CUDA has it: what follows the first invalid name is not visible.
        return names[: _first_invalid(names)]
    gpus: list[list[str]] = []
    for uuid in _UUID.findall(list_devices()):
        if uuid.startswith("GPU-"):
            gpus.append([uuid])
        elif gpus:
            gpus[-1].append(uuid)
    return tuple(name for gpu in gpus for name in (gpu[1:] or gpu))


def groups(devices: Sequence[str], size: int) -> tuple[tuple[str, ...], ...]:
    """Return the devices in groups of `size`; one empty group where there are no devices.

    Raises `TooFewDevicesError` where there are some, but fewer than `size`.
    """
    if not devices:
        return ((),)
    if len(devices) < size:
        raise TooFewDevicesError(
            f"engine.vllm.tensorParallelSize is {size}, but this machine shows {len(devices)} "
            "GPU(s): lower it, or show more in CUDA_VISIBLE_DEVICES"
        )
    count = len(devices) // size
    return tuple(tuple(devices[i * size : (i + 1) * size]) for i in range(count))


def _first_invalid(names: Sequence[str]) -> int:
    return next((i for i, name in enumerate(names) if name in {"", "-1"}), len(names))
