"""How this process trains on its machine: device, rank, and memory limits.

Nothing in here may change which adapter a training makes. The settings of the method are in
`TrainSettings`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from isheep.contract.choices import CHECKPOINT_SECONDS
from isheep.contract.order import Runtime

_GPU_TOKENS_AT_ONCE = 8192
CPU_TOKENS_AT_ONCE = 2048

TorchDevice = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Machine:
    """The device, the place of this process in the process group, and the memory limits.

    `rank` is the number of this process among all `world_size` processes, `local_rank` its
    number among those of its node. `tokens_at_once` is the maximum number of tokens in one
    forward pass; a single row may exceed it. On a GPU, both it and the answer to whether
    activations are computed twice also depend on the free memory (`memory_plan`), unless
    `recompute_activations` is True. `checkpoint_seconds` is the time between two checkpoints.
    """

    device: TorchDevice
    world_size: int = 1
    rank: int = 0
    local_rank: int = 0
    tokens_at_once: int = 0
    recompute_activations: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS


def machine_for(
    device: TorchDevice,
    environment: Mapping[str, str],
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    memory_reduction: int = 0,
) -> Machine:
    """Return the machine that an environment describes.

    Args:
        device: The kind of device.
        environment: The environment with torchrun's variables WORLD_SIZE, RANK and
            LOCAL_RANK, if torchrun started the process. No other code reads them, except for
            the rank that a training process needs before it has loaded anything.
        checkpoint_seconds: The time between two checkpoints, in seconds.
        memory_reduction: The number of earlier attempts that ran out of device memory. n divides
            the usual number of tokens in a forward pass by 2^n, and from 1 on, a GPU computes
            activations twice in any case.
    """
    on_gpu = device == "cuda"
    tokens = _GPU_TOKENS_AT_ONCE if on_gpu else CPU_TOKENS_AT_ONCE
    return Machine(
        device=device,
        world_size=int(environment.get("WORLD_SIZE", "1")),
        rank=int(environment.get("RANK", "0")),
        local_rank=int(environment.get("LOCAL_RANK", "0")),
        tokens_at_once=tokens >> memory_reduction,
        recompute_activations=on_gpu and memory_reduction > 0,
        checkpoint_seconds=checkpoint_seconds,
    )


def this_machine(runtime: Runtime) -> Machine:
    """Return the machine of this process, with a GPU if PyTorch finds one."""
    import torch  # noqa: PLC0415 (heavy)

    device: TorchDevice = "cuda" if torch.cuda.is_available() else "cpu"
    return machine_for(device, os.environ, runtime.checkpoint_seconds, runtime.memory_reduction)
