"""What several training processes tell each other, besides the gradients.

Each function is called by all of them, at the same place of the training, and returns
the same in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist


def any_of(flags: Sequence[bool], device: Any) -> list[bool]:
    """Return for each flag whether any process has it set."""
    told = torch.tensor([int(flag) for flag in flags], device=device)
    dist.all_reduce(told, op=dist.ReduceOp.MAX)
    return [bool(flag) for flag in told.tolist()]


def sum_of(numbers: Sequence[float], device: Any) -> list[float]:
    """Return the sums of the processes' numbers, added in double precision."""
    told = torch.tensor(numbers, dtype=torch.float64, device=device)
    dist.all_reduce(told)
    sums: list[float] = told.tolist()
    return sums


def told_by_first(value: int | None, device: Any) -> int | None:
    """Return what the first process gives, a whole number of 0 or more, or None."""
    told = torch.tensor([-1 if value is None else value], device=device)
    dist.broadcast(told, src=0)
    number = int(told.item())
    return None if number < 0 else number
