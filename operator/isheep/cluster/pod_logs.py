"""The logs of a run's pods, read with the user's rights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from isheep.cluster.client import Cluster
from isheep.cluster.errors import ClusterError, ForbiddenError, NotFoundError
from isheep.contract.labels import CONTAINER, RUN_LABEL

READ_LINES = 20000
"""The last lines of a log that are read; a library can write many more."""


@dataclass(frozen=True, slots=True)
class PodLog:
    """The last lines of a pod's log; `missing` is the reason if there is no log."""

    pod: str
    lines: tuple[str, ...]
    missing: str | None = None


def pod_logs(cluster: Cluster, run: str) -> Iterator[PodLog]:
    """Yield the logs of a run's pods that exist, the oldest pod first.

    Raises:
        ClusterError: The user may not read pods or their logs.
        ClusterUnreachableError: The API server does not answer.
    """
    path = f"/api/v1/namespaces/{quote(cluster.namespace, safe='')}/pods"
    subject = f"the pods of run {run} in namespace {cluster.namespace}"
    pods = cluster.items(path, subject, [("labelSelector", f"{RUN_LABEL}={run}")])
    for pod in sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"]):
        name = pod["metadata"]["name"]
        query = [("container", CONTAINER), ("tailLines", str(READ_LINES))]
        place = f"{path}/{quote(name, safe='')}/log"
        try:
            text = cluster.send("GET", place, f"the log of pod {name}", query=query)
        except NotFoundError:
            # The pod has been deleted since the list was read.
            continue
        except ForbiddenError:
            raise
        except ClusterError as error:
            # For example, its container waits for an image.
            yield PodLog(name, (), str(error))
            continue
        yield PodLog(name, tuple(text.decode(errors="replace").splitlines()))
