"""Themes: what is frequent in a simulation, because some defects need several faults of a kind.

Each seed draws one. A rare theme has disturbances that no other seed has. It costs little, because
few seeds draw it; the search for defects finds these seeds by the lines that they execute.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from isheep.contract.exit_codes import ExitCode

from .connection import RequestFault
from .kubelet import PodFault

RARE_SHARE = 0.1
"""The share of simulations with a rare theme."""
PODS_OF_AN_ATTEMPT = 4
"""Only a failure of each pod that Kubernetes creates for a Job ends an attempt."""


@dataclass(frozen=True, slots=True)
class Theme:
    """What a simulation has more of.

    `acts` are frequent kinds of acts, and `early` is the kind of an act at the begin. `jobs` and
    `statuses` are faults of some requests that create Jobs and that write statuses. `pods` has
    faults by the number of the pod. If `late_peer` is True, there are two runs with Jobs for parts
    of an iteration, and the older one goes on when the other has a second Job for such a part. If
    `clock_back` is True, the clock of the operators is set back while one notes that a stage waits.
    If `queued` is True, all runs are in a queue. If `calm` is True, nothing disturbs the operator,
    so the invariants about times hold all the time. If `alone` is True, nothing happens but the
    theme and faults of pods.
    """

    acts: tuple[str, ...] = ()
    early: str | None = None
    jobs: RequestFault | None = None
    statuses: RequestFault | None = None
    pods: Mapping[int, PodFault] = field(default_factory=dict)
    late_peer: bool = False
    clock_back: bool = False
    queued: bool = False
    calm: bool = False
    alone: bool = False


THEMES: tuple[Theme, ...] = (
    Theme(),
    Theme(("delete-run",)),
    Theme(("delete-run", "restart")),
    Theme(("delete-run", "silence")),
    Theme(("delete-job", "silence")),
    Theme(("delete-job", "unlabel-job")),
    Theme(("silence", "delay", "compact")),
    Theme(("second-operator", "restart", "partition")),
    Theme(("edit", "suspend", "retry")),
    Theme(("suspend", "suspend-job", "restart")),
    Theme(("lose-node", "suspend-job", "move-queue")),
    # Pods fail in every way, and their nodes too.
    *(Theme(calm=True) for _ in range(3)),
    Theme(("suspend-job", "delete-job", "suspend"), calm=True),
    Theme(("lose-node", "evict-all"), calm=True),
)
FAILS_AT_FIRST = {
    # The pod of prepare has the number 1. The first Job after it ends after two commits.
    number: PodFault("exit", commits=2, code=int(ExitCode.DISK))
    for number in range(2, 2 + PODS_OF_AN_ATTEMPT)
}
RARE: tuple[Theme, ...] = (
    # Somebody deletes a run while the answer to a write of its status is on its way.
    Theme(statuses=RequestFault.OVERTAKEN, alone=True),
    # The clock of the operators is set while reactions are due.
    Theme(("clock",), pods=FAILS_AT_FIRST, clock_back=True, alone=True),
    # Runs are moved to another queue while their Jobs wait.
    Theme(("move-queue",), queued=True, alone=True),
    # A run comes to a part of an iteration of which a peer has made the begin.
    Theme(pods=FAILS_AT_FIRST, late_peer=True, alone=True),
    # A Job is created, and neither an answer nor a watch says so.
    Theme(("silence",), early="delay", jobs=RequestFault.ANSWER_LOST),
    # Pods wait for the store until they give up.
    Theme(early="store-away"),
    # Each attempt of a run loses its node, and then one of the nodes answers again.
    Theme(early="lose-each-node"),
)
WEIGHTS = (2, 2, 2, 2, 1, 1, 1)
"""How often each rare theme is drawn: more often if few of its seeds find anything."""


def draw_theme(chance: random.Random) -> Theme:
    """Draw the theme of a simulation."""
    if chance.random() < RARE_SHARE:
        return chance.choices(RARE, WEIGHTS)[0]
    return chance.choice(THEMES)
