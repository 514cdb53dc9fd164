"""The form of an explanation: what a reason means, what to do about it, and its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from isheep.contract.exit_codes import ExitCode


class ReasonGroup(StrEnum):
    """What a run shows with a reason; a reason of two groups depends on the stage."""

    RECONCILING = "Reconciling"
    """The run makes progress, waits for its turn, or is finished: nothing to do."""
    STALLED = "Stalled"
    """The run waits for something outside of it and continues by itself."""
    FAILED = "Failed"
    """The run has ended. It continues only if somebody edits its spec or requests a retry."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reason means and what to do about it.

    `exit_code` is the code of a worker that ends with the reason, and of `isheep run`; None if the
    reason itself has no code.
    """

    groups: tuple[ReasonGroup, ...]
    meaning: str
    remedy: str = ""
    exit_code: ExitCode | None = None


MOVING = (ReasonGroup.RECONCILING,)
STALLED = (ReasonGroup.STALLED,)
FAILED = (ReasonGroup.FAILED,)
INPUT = (ReasonGroup.STALLED, ReasonGroup.FAILED)
"""Stalled if prepare finds the problem, because prepare runs again; Failed in any other stage."""
