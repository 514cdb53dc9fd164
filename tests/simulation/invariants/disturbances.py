"""When an operator may react late: the times of faults that take away its events, clock or process.

An invariant about the time of a reaction looks only at the times outside of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..connection import RequestFault
from ..history import History

FOREVER = float("inf")
RESTART_SECONDS = 150.0
"""The longest pause before a restart, and the time of a Lease that nobody has released."""
RETRY_SECONDS = 120.0
"""The waits after requests that fail in a row, and a timeout of the client."""
LIST_SECONDS = 400.0
"""A watch that loses an event and goes on reports it never. The next LIST does."""
OVERTAKEN_SECONDS = 1.5
"""An answer that a watch has overtaken arrives a second late."""
SET_SECONDS = 0.001
"""A clock that is set disturbs nothing but the times that were computed before."""
LATE: dict[str, float] = {
    "partition": RETRY_SECONDS,
    "silence": RETRY_SECONDS,
    "delay": FOREVER,
    "compact": RETRY_SECONDS,
    "clock": FOREVER,
    "restart": RESTART_SECONDS,
    "second-operator": RESTART_SECONDS,
    "hand-over": LIST_SECONDS,
    "lose-deletion": LIST_SECONDS,
    "unlabel-job": 60.0,
    "overwrite-status": 60.0,
}
"""How long after the end of an act its effect on the operator can last."""
_ACT = re.compile(r"Act\(kind='([^']+)', seconds=([0-9.]+)")

_OF_RUN = re.compile(r"\S+ \S+/(?:jobs/|selfalignmentruns/)([a-z]+)[-/][^ ]*: ")
"""A request about one run or its Job. If it fails, only the pass of this run has to wait."""
_REFUSED = re.compile(rf"POST \S+/jobs: {RequestFault.REFUSED.value}$")


@dataclass(frozen=True, slots=True)
class Calm:
    """The times in which nothing disturbs the operators, from each begin to its end, in order."""

    spans: tuple[tuple[float, float], ...]

    def holds(self, begin: float, end: float) -> bool:
        """Return whether nothing disturbs the operators from `begin` to `end`."""
        for first, last in self.spans:
            if begin < first:
                return False
            if end <= last:
                return True
        return False

    def after(self, begin: float, seconds: float) -> float:
        """Return when nothing has disturbed the operators for some seconds after `begin`."""
        for first, last in self.spans:
            end = max(first, begin) + seconds
            if end <= last:
                return end
        return FOREVER


def has_act(history: History, *kinds: str) -> bool:
    """Return whether an act of one of these kinds has happened."""
    return any(f"kind='{kind}'" in text for _, text in history.faults for kind in kinds)


def has_wrong_clock(history: History) -> bool:
    """Return whether the clock of the operators is set to a wrong time."""
    return has_act(history, "clock")


def disturbed_runs(history: History) -> set[str]:
    """Return the names of the runs about which a request has failed."""
    return {found for _, text in history.faults if (found := _run_of(text)) is not None}


def _run_of(text: str) -> str | None:
    """Return the only run that a fault disturbs; None if it disturbs all runs."""
    found = None if "dies" in text else _OF_RUN.match(text)
    return None if found is None else found[1]


def calm_times(
    history: History, *, clocks: bool = True, refusals: bool = True, run: str | None = None
) -> Calm:
    """Return the times without a disturbance: of all runs, or of the run with a name.

    A wrong clock is one for ever, unless `clocks` is False. Then it is one only when it is set. A
    Job that is refused is none if `refusals` is False.
    """
    late = LATE if clocks else {**LATE, "clock": SET_SECONDS}
    faults = [one for one in history.faults if refusals or not _REFUSED.match(one[1])]
    if run is not None:
        faults = [one for one in faults if _run_of(one[1]) in (None, run)]
    lasts = [(at, _seconds(text, late)) for at, text in faults]
    ends = [(at, at + seconds) for at, seconds in lasts if seconds]
    spans, free = [], 0.0
    for begin, end in sorted(ends):
        if begin > free:
            spans.append((free, begin))
        free = max(free, end)
    return Calm((*spans, (free, FOREVER)))


def _seconds(text: str, late: Mapping[str, float]) -> float:
    """Return how long a fault disturbs the operators; 0.0 if it does not."""
    if text.startswith("pod "):
        return 0.0
    found = _ACT.match(text)
    if found is None:
        return _of_request(text)
    kind, seconds = found[1], float(found[2])
    if kind == "clock":
        return late[kind]
    return seconds + late[kind] if kind in late else 0.0


def _of_request(text: str) -> float:
    """Return how long a request that has failed disturbs the operators."""
    for name, seconds in (
        (RequestFault.OVERTAKEN.value, OVERTAKEN_SECONDS),
        ("dies", RESTART_SECONDS),
    ):
        if name in text:
            return seconds
    return RETRY_SECONDS
