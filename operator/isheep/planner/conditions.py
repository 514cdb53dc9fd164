"""Conditions: the state of a run for programs, right by kstatus at every moment.

| state | conditions |
|---|---|
| at work, pending, queued, retrying | Reconciling=True, Ready=False |
| all done | Ready=True, Complete=True |
| suspended | Ready=False, Suspended=True |
| waits for something outside | Ready=False, Stalled=True |
| failed, until edited or retried | Ready=False, Failed=True, Stalled=True |

Ready is always there; every other one only while it is true. Each carries the
generation that it is about; its transition time moves only when its status does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from isheep.api.status import Condition, ConditionType, Phase


class RunPhase(Enum):
    """The states that a run can be in; the values are what `phase` calls them."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands and why."""

    run_phase: RunPhase
    reason: str
    message: str = ""

    @property
    def phase(self) -> Phase:
        """The state in one word, for people."""
        return self.run_phase.value


_TRUE: dict[RunPhase, tuple[ConditionType, ...]] = {
    RunPhase.PENDING: ("Reconciling",),
    RunPhase.RUNNING: ("Reconciling",),
    RunPhase.SUSPENDED: ("Suspended",),
    RunPhase.STALLED: ("Stalled",),
    RunPhase.SUCCEEDED: ("Ready", "Complete"),
    RunPhase.FAILED: ("Failed", "Stalled"),
}


def conditions(
    state: State, before: Sequence[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Return the conditions of a state, Ready first."""
    true = _TRUE[state.run_phase]
    types = ("Ready", *(name for name in true if name != "Ready"))
    known = {c.type: c for c in before}
    result = []
    for name in types:
        status: Literal["True", "False"] = "True" if name in true else "False"
        old = known.get(name)
        moved = old is None or old.status != status
        result.append(
            Condition(
                type=name,
                status=status,
                reason=state.reason,
                message=state.message,
                last_transition_time=now if moved or old is None else old.last_transition_time,
                observed_generation=generation,
            )
        )
    return tuple(result)
