"""Values that the processes of one training exchange, in addition to the gradients.

Every process calls each function at the same point of the training, and every process gets
the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist


def any_of(flags: Sequence[bool], device: Any) -> list[bool]:
    """Return for each flag whether it is set in any process."""
    reduced = torch.tensor([int(flag) for flag in flags], device=device)
    dist.all_reduce(reduced, op=dist.ReduceOp.MAX)
    return [bool(flag) for flag in reduced.tolist()]


def sum_of(numbers: Sequence[float], device: Any) -> list[float]:
    """Return for each number its sum over all processes, added in float64."""
    reduced = torch.tensor(numbers, dtype=torch.float64, device=device)
    dist.all_reduce(reduced)
    sums: list[float] = reduced.tolist()
    return sums


def least_of(number: int, device: Any) -> int:
    """Return the smallest number of all processes."""
    reduced = torch.tensor(number, dtype=torch.int64, device=device)
    dist.all_reduce(reduced, op=dist.ReduceOp.MIN)
    return int(reduced.item())


def broadcast_from_first(value: int | None, device: Any) -> int | None:
    """Return the first process's value, an integer of at least 0 or None."""
    shared = torch.tensor([-1 if value is None else value], device=device)
    dist.broadcast(shared, src=0)
    number = int(shared.item())
    return None if number < 0 else number
