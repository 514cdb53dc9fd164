"""Themes: what is frequent in a simulation, because some defects need several faults of a kind.

Each seed draws one. A rare theme has disturbances that no other seed has. It costs little, because
few seeds draw it; the search for defects finds these seeds by the lines that they execute.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from isheep.contract.exit_codes import ExitCode
from isheep.contract.reasons import Reason

from .connection import RequestFault
from .kubelet import PodFault
from .refusals import REFUSALS

RARE_SHARE = 0.2
"""The share of simulations with a rare theme."""
PODS_OF_AN_ATTEMPT = 4
"""Only a failure of each pod that Kubernetes creates for a Job ends an attempt."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What somebody does some seconds after a run says one of the reasons: one of the `acts`.

    The act `delete-run` deletes the other run, for which this one waits, and with
    `delete-run-at-start`, an operator starts that has never seen that run. If `held` is True,
    nobody does anything before a stage of the run has had to wait for a time.
    """

    reasons: tuple[str, ...]
    acts: tuple[str, ...]
    seconds: tuple[float, float]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Theme:
    """What a simulation has more of.

    `acts` are frequent kinds of acts, and `early` is the kind of an act at the begin. `jobs` and
    `statuses` are faults of some requests that create Jobs and that write statuses. `pods` has
    faults by the number of the pod. `peers` tells whether there are two runs, and the second one is
    created after a time of `apart` if that is given. `groupings` are those of the runs, and
    `peer_groupings` those of the second one. If `late_peer` is True, the first run goes on when the
    other has a second Job for a part of an iteration; with `peer_groupings`, when it has a Job for
    any later stage, and the first run is prepared before it waits. `reaction` is what somebody does
    about a reason. If `cut_stops` is True, the network is cut when the operator has stopped an
    attempt. If `clock_back` is True, the clock of the operators is set back when one notes that a
    run has to wait. If `slow_stops` is True, each pod that is stopped needs more than its grace
    period. If `queued` is True, all runs are in a queue, and Kueue is slow. `refused` is how many
    requests to create a Job are refused in a row, and `deadline` the shortest and the longest
    deadline of the runs. If `calm` is True, nothing disturbs the operator, so the invariants about
    times hold all the time. If `alone` is True, nothing happens but the theme and faults of pods.
    Without `gpus`, no pod has a GPU, so no status names the Jobs. Nobody retries a run that
    `waits`, so it comes to its longest waits.
    """

    acts: tuple[str, ...] = ()
    early: str | None = None
    jobs: RequestFault | None = None
    statuses: RequestFault | None = None
    pods: Mapping[int, PodFault] = field(default_factory=dict)
    late_peer: bool = False
    peers: bool | None = None
    groupings: tuple[str, ...] = ()
    peer_groupings: tuple[str, ...] = ()
    apart: tuple[float, float] | None = None
    reaction: Reaction | None = None
    cut_stops: bool = False
    clock_back: bool = False
    slow_stops: bool = False
    queued: bool = False
    refused: int = 0
    deadline: tuple[float, float] | None = None
    calm: bool = False
    alone: bool = False
    gpus: bool = True
    waits: bool = False


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
PREPARES_LATE = dict.fromkeys(
    range(1, 1 + 3 * PODS_OF_AN_ATTEMPT), PodFault("exit", code=int(ExitCode.DISK))
)
"""Some attempts of prepare fail, and the run has nothing else to do before the next one."""
STALLS_AT_FIRST = {
    number: PodFault("exit", code=int(ExitCode.UNREACHABLE))
    for number in range(3, 3 + PODS_OF_AN_ATTEMPT)
}
"""The first attempt after those of prepare ends because the store is away for it."""
PARTS = ("PerRole", "Joined")
"""The groupings in which a Job makes a part of an iteration."""
FAILS_FOR_EVER = dict.fromkeys(range(2, 2 + 5 * PODS_OF_AN_ATTEMPT), PodFault("exit", code=1))
"""Each attempt of the first stages fails, until no retry is left."""
LACKS_MEMORY = dict.fromkeys(range(2, 8), PodFault("exit", code=int(ExitCode.DEVICE_MEMORY)))
"""An attempt with this code has one pod. Each attempt has smaller batches, but there are few."""
WRONG_INPUT = dict.fromkeys(range(1, 7), PodFault("exit", code=int(ExitCode.BAD_INPUT)))
"""prepare refuses the input of the run, which waits longer each time."""
REFUSED = tuple(sorted({one.reason for one in REFUSALS}))
RARE: tuple[Theme, ...] = (
    # Somebody deletes a run while the answer to a write of its status is on its way.
    Theme(statuses=RequestFault.OVERTAKEN, alone=True),
    # The clock of the operators is set while reactions are due.
    Theme(
        ("clock",),
        pods=FAILS_AT_FIRST,
        clock_back=True,
        peers=False,
        groupings=("Run", *PARTS),
        alone=True,
    ),
    # Runs are moved to another queue while their Jobs wait. Kueue needs up to half a minute.
    Theme(("move-queue",), queued=True, alone=True),
    # A run comes to a part of an iteration of which a peer has made the begin.
    Theme(pods=FAILS_AT_FIRST, late_peer=True, peers=True, groupings=PARTS, alone=True),
    # A run goes on beside a peer that has other Jobs and is further.
    Theme(
        late_peer=True,
        peers=True,
        groupings=("Joined",),
        peer_groupings=("PerRole",),
        alone=True,
    ),
    Theme(
        late_peer=True,
        peers=True,
        groupings=PARTS,
        peer_groupings=("PerStage",),
        alone=True,
    ),
    # A Job is created, and neither an answer nor a watch says so.
    Theme(("silence",), early="delay", jobs=RequestFault.ANSWER_LOST),
    # Pods wait for the store until they give up.
    Theme(early="store-away"),
    # Each attempt of a run loses its node, and then one of the nodes answers again.
    Theme(early="lose-each-node"),
    # Jobs are refused, and their runs are suspended or edited before the next try.
    Theme(
        jobs=RequestFault.REFUSED,
        reaction=Reaction(REFUSED, ("suspend", "suspend", "edit"), (0.2, 4.0)),
        alone=True,
    ),
    # The quota of a namespace is used up for minutes, and the deadline of a run passes meanwhile.
    Theme(
        refused=10,
        deadline=(60.0, 150.0),
        peers=False,
        reaction=Reaction((Reason.DEADLINE_EXCEEDED,), ("raise-deadline",), (1.0, 90.0)),
        alone=True,
    ),
    # The operator stops attempts, and cannot write so before their Jobs are gone.
    Theme(
        ("suspend",),
        cut_stops=True,
        reaction=Reaction((Reason.RUNNING,), ("suspend",), (3.0, 60.0)),
        alone=True,
    ),
    # Edits replace stages that Jobs work on.
    Theme(("edit",), alone=True),
    # Another operator takes the Lease of one that has lost its network, and gives it back.
    Theme(
        groupings=("Run", "Run", "Joined"),
        reaction=Reaction((Reason.RUNNING,), ("hand-over",), (30.0, 90.0)),
        alone=True,
    ),
    # Jobs lose their labels after they have made their first stage.
    Theme(
        groupings=("Run", "Run", *PARTS),
        reaction=Reaction((Reason.RUNNING,), ("unlabel-job",), (40.0, 120.0)),
        alone=True,
    ),
    # Somebody deletes a Job, and no watch reports its end.
    Theme(
        groupings=("Run", "Run", *PARTS),
        reaction=Reaction((Reason.RUNNING,), ("lose-deletion",), (20.0, 60.0)),
        alone=True,
    ),
    # A run is deleted while its Job walks on, and another run waits for the rest of the stages.
    Theme(
        peers=True,
        groupings=("Run",),
        apart=(100.0, 160.0),
        reaction=Reaction((Reason.WAITING_FOR_PEER,), ("delete-run",), (1.0, 15.0)),
        alone=True,
    ),
    # A run loses its turn because its store is away. Then it waits for a run that is deleted.
    Theme(
        pods=STALLS_AT_FIRST,
        peers=True,
        groupings=("Run", "Run", "Joined"),
        apart=(0.5, 2.0),
        reaction=Reaction((Reason.WAITING_FOR_PEER,), ("delete-run",), (0.0, 20.0), held=True),
        alone=True,
    ),
    # Attempt after attempt fails in the same way.
    Theme(pods=FAILS_FOR_EVER, calm=True, alone=True),
    Theme(pods=LACKS_MEMORY, calm=True, alone=True),
    Theme(pods=WRONG_INPUT, calm=True, alone=True, waits=True),
    # prepare has a time limit, and then another pod begins.
    Theme(pods={1: PodFault("hang", seconds=2500.0)}, calm=True, alone=True),
    # An operator that starts finds Jobs without labels by their pods.
    Theme(("unlabel-job", "restart"), alone=True, gpus=False),
    # The kubelets kill pods at the end of their grace periods, and their nodes answer.
    Theme(
        ("evict-all", "suspend"),
        groupings=("Run", "Run", *PARTS),
        reaction=Reaction((Reason.RUNNING,), ("evict-all",), (5.0, 40.0)),
        alone=True,
        slow_stops=True,
    ),
    # A Job is created although the API server answers that it had too little time.
    Theme(early="delay", jobs=RequestFault.TIMED_OUT, alone=True),
    # The clock of the operators is set back when a run begins to wait.
    Theme(pods=PREPARES_LATE, clock_back=True, alone=True),
    # An operator starts while the pods of a deleted run stop, and another run waits for its stages.
    Theme(
        peers=True,
        groupings=("Run", *PARTS),
        apart=(0.5, 30.0),
        reaction=Reaction((Reason.WAITING_FOR_PEER,), ("delete-run-at-start",), (0.0, 20.0)),
        alone=True,
        slow_stops=True,
    ),
    # Writes of the status of one run take longer than the operator waits. The others go on.
    Theme(("retry", "edit"), statuses=RequestFault.SLOW, peers=True, alone=True),
    # Operators end by SIGTERM, and another one takes the Lease at once.
    Theme(("restart", "second-operator"), alone=True),
)
WEIGHTS = (2, 3, 2, 2, 2, 1, 1, 1, 1, 3, 2, 3, 3, 5, 3, 2, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2)
"""How often each rare theme is drawn: more often if few of its seeds find anything."""


def draw_theme(chance: random.Random) -> Theme:
    """Draw the theme of a simulation."""
    if chance.random() < RARE_SHARE:
        return chance.choices(RARE, WEIGHTS)[0]
    return chance.choice(THEMES)
