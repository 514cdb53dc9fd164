"""Follows a run on a cluster until it is deleted.

The follower polls. A watch would see a change sooner, but a person does not need that, and a poll
has no state that an outage of the API server or an expired version could destroy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from isheep.cluster.client import Cluster, Document
from isheep.cluster.errors import ClusterUnreachableError, NotFoundError

POLL_SECONDS = 2.0
OUTAGE_SECONDS = 600.0
"""How long the API server may not answer before the follower gives up."""


class RunDeletedError(RuntimeError):
    """The run that a command follows was deleted."""


def follow(
    cluster: Cluster,
    run: str,
    *,
    note: Callable[[str], None],
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Document]:
    """Yield a run, and again after each change, until the time is over.

    Args:
        cluster: The connection.
        run: The name of the run.
        note: Receives one line when the API server ceases to answer.
        seconds: The time limit, or None.
        clock: Returns the seconds of a clock that never goes back.
        sleep: Waits for some seconds.

    Raises:
        ClusterError: The run does not exist at first, or the request is refused.
        ClusterUnreachableError: The API server does not answer at first, or for ten minutes.
        RunDeletedError: The run was deleted after it was found.
    """
    begin = answered = clock()
    document = cluster.get(run)
    uid = document["metadata"]["uid"]
    yield document
    noted = False
    while True:
        pause = POLL_SECONDS if seconds is None else begin + seconds - clock()
        if pause <= 0:
            return
        sleep(min(pause, POLL_SECONDS))
        try:
            found = cluster.get(run)
        except NotFoundError as error:
            raise _deleted(cluster, run) from error
        except ClusterUnreachableError as error:
            if clock() - answered > OUTAGE_SECONDS:
                raise
            if not noted:
                note(f"{error}; waiting for it")
            noted = True
            continue
        answered, noted = clock(), False
        if found["metadata"]["uid"] != uid:
            raise _deleted(cluster, run)
        if found["metadata"]["resourceVersion"] != document["metadata"]["resourceVersion"]:
            yield found
        document = found


def _deleted(cluster: Cluster, run: str) -> RunDeletedError:
    return RunDeletedError(f"run {run} in namespace {cluster.namespace} was deleted")
