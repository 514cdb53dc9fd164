"""Random Jobs whose pods end in all ways, for the real and for the simulated Job controller.

A case says how the pods of each index end, one after another. No two ends of a case compete: if one
pod ends the Job, the others wait to be stopped. So both controllers must come to the same counts.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from isheep.contract.exit_codes import ExitCode
from isheep.kube.job_building.pod_failure_policy import failure_fields

from ..simulation.job_controller import INDEX
from ..simulation.kubelet import PodFault
from .harness.pod_behaviour import (
    Disrupted,
    Exit,
    ExitWithText,
    Hang,
    OutOfMemory,
    Pod,
    PodBehaviour,
    Work,
)

FATAL = tuple(int(code) for code in (ExitCode.BAD_INPUT, ExitCode.DEFECT, ExitCode.DEVICE_MEMORY))
COUNTED = (1, int(ExitCode.DISK), int(ExitCode.UNREACHABLE), 137)
IGNORED = ("143", "disrupted", "gone")
WORK, HANG = "work", "hang"


@dataclass(frozen=True)
class Case:
    """A Job: the fields of its spec that differ, and how the pods of each index end."""

    name: str
    spec: dict[str, Any]
    ends: tuple[tuple[str, ...], ...]

    def document(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a Job as the operator creates it, with the fields of this case."""
        known = ("backoffLimit", "backoffLimitPerIndex", "maxFailedIndexes", "podFailurePolicy")
        rest = {name: value for name, value in document["spec"].items() if name not in known}
        return {**document, "spec": {**rest, **self.spec}}

    @property
    def goes_on(self) -> bool:
        """Whether the Job still has a pod at work when its other pods have ended."""
        return any(HANG in ends for ends in self.ends) and not self.is_fatal

    @property
    def is_fatal(self) -> bool:
        """Whether one of the ends fails the Job at once."""
        ends = {end for one in self.ends for end in one}
        counted = not ends.isdisjoint(map(str, COUNTED))
        fatal = not ends.isdisjoint(map(str, FATAL))
        if "backoffLimit" in self.spec:
            return counted or fatal
        strict = (self.spec["maxFailedIndexes"], self.spec["backoffLimitPerIndex"]) == (0, 0)
        return fatal or (counted and strict)


def draw(chance: random.Random, name: str, *, slow: bool) -> Case:
    """Draw a case; only `slow` ones wait for the next pod of an index after a counted failure."""
    together = chance.random() < 0.2
    spec = failure_fields(trains_together=together)
    if not together:
        spec |= {"backoffLimitPerIndex": int(slow), "maxFailedIndexes": chance.choice((0, 1))}
    pods = chance.choice((1, 2, 3))
    first = [] if together else chance.choices(IGNORED, k=chance.choice((0, 1, 2)))
    kind = chance.choice(("fatal", "counted", "counted", "work", "hang"))
    if kind == "fatal":
        first.append(str(chance.choice(FATAL)))
    elif kind == "counted":
        first += [str(chance.choice(COUNTED)), WORK]
    elif kind == "work":
        first.append(WORK)
    case = Case(name, spec, (tuple(first) or (HANG,),))
    rest = (HANG,) if case.is_fatal else (chance.choice((WORK, HANG)),)
    ends = [case.ends[0], *(rest for _ in range(pods - 1))]
    chance.shuffle(ends)
    if kind == "hang":
        ends = [(*one, HANG) if one[-1] in IGNORED else one for one in ends]
    return Case(name, spec, tuple(ends))


@dataclass
class Script:
    """The behaviour of the pods of a real Job: the ends of its case, by index."""

    case: Case
    taken: Counter[int] = field(default_factory=Counter)

    async def __call__(self, pod: Pod) -> None:
        """Behave as the next pod of its index."""
        end = _next(self.case, self.taken, pod.index)
        await _behaviour(end)(pod)


@dataclass
class Faults:
    """The faults of the pods of a simulated Job: the ends of its case, by index."""

    case: Case
    taken: Counter[int] = field(default_factory=Counter)

    def __call__(self, pod: dict[str, Any]) -> PodFault | None:
        """Return the fault of the next pod of its index."""
        index = int(pod["metadata"]["annotations"][INDEX])
        end = _next(self.case, self.taken, index)
        # Without a fault, the other pods of the simulation wait for the first one.
        return PodFault("exit", code=0) if index and end == WORK else _fault(end)


def _next(case: Case, taken: Counter[int], index: int) -> str:
    ends = case.ends[index]
    taken[index] += 1
    return ends[min(taken[index], len(ends)) - 1]


def _behaviour(end: str) -> PodBehaviour:
    named: dict[str, PodBehaviour] = {
        WORK: Work(),
        HANG: Hang(),
        "143": ExitWithText(143),
        "137": OutOfMemory(),
        "disrupted": Disrupted(),
        "gone": Disrupted(code=None),
    }
    return named[end] if end in named else Exit(int(end))


def _fault(end: str) -> PodFault | None:
    named: dict[str, PodFault | None] = {
        WORK: None,
        HANG: PodFault("hang", seconds=1e6),
        "137": PodFault("kill"),
        "disrupted": PodFault("evict"),
        "gone": PodFault("lose-node"),
    }
    return named[end] if end in named else PodFault("exit", code=int(end))
