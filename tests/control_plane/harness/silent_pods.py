"""Measure how long new runs wait for their first Job while the pods of other runs do not answer.

The operator's requests to these pods take their whole time limit (`silence.py`). The operator is
the installed command with its default waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .cluster import Cluster
from .latency import operator_of
from .observer import JOBS, RUNS
from .pod_behaviour import Hold
from .runs import Run
from .silence import silence
from .waiting import until

SETTLING_SECONDS = 60.0
"""The first polls of all pods have begun, and each of them has waited for its time limit."""
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class SilentFigures:
    """The seconds from the creation of each new run to its first Job."""

    working: int
    waits: tuple[float, ...]

    def __str__(self) -> str:
        ordered = sorted(self.waits)
        return (
            f"{self.working} runs at work whose pods do not answer; first Job of a new run: "
            f"p50 {ordered[len(ordered) // 2]:.2f} s, longest of {len(ordered)} {ordered[-1]:.2f} s"
        )


def measure_silent(
    cluster: Cluster, folder: Path, *, working: int, new: int, namespace: str = "silent"
) -> SilentFigures:
    """Let some runs train in silent pods, create new runs one by one, and return the figures."""
    cluster.open_namespace(namespace)
    spec = Run().skip_to("i1/train")
    workers = cluster.kubelet.workers(namespace)
    workers.prefill(spec.fields, "i1/train")
    workers.set_behaviour("train", Hold())
    runs = f"/apis/isheep.dev/v1alpha1/namespaces/{namespace}/selfalignmentruns"

    def create(number: int) -> str:
        run = spec.named(f"run-{number:04}").spec(training={"warmupSteps": number})
        return str(cluster.server.must("POST", runs, run.document())["metadata"]["name"])

    operator = operator_of(cluster, folder, namespace)
    operator.start()
    try:
        for number in range(working):
            create(number)
        addresses = until(
            lambda: _addresses(cluster, namespace, working),
            PATIENCE_SECONDS,
            otherwise=operator.tail,
        )
        with silence(addresses):
            time.sleep(SETTLING_SECONDS)
            names = []
            for number in range(working, working + new):
                names.append(create(number))
                time.sleep(PAUSE_SECONDS)
            until(
                lambda: len(list(_waits(cluster, namespace, names))) == new,
                PATIENCE_SECONDS,
                otherwise=operator.tail,
            )
            return SilentFigures(working, tuple(_waits(cluster, namespace, names)))
    finally:
        operator.stop()
        cluster.close_namespace(namespace)


def _addresses(cluster: Cluster, namespace: str, number: int) -> list[str]:
    """Return the addresses of the pods that train, or none until there are enough of them."""
    selector = "labelSelector=isheep.dev/stage=train"
    pods = cluster.server.get(f"/api/v1/namespaces/{namespace}/pods?{selector}")["items"]
    found = [
        pod["status"]["podIP"]
        for pod in pods
        if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")
    ]
    return found if len(found) >= number else []


def _waits(cluster: Cluster, namespace: str, names: list[str]) -> Iterator[float]:
    """Yield the seconds from the creation of each run to its first Job, as the observer saw it."""
    born = {v.name: v.at for v in reversed(cluster.observer.history(RUNS, namespace))}
    first: dict[str, float] = {}
    for version in cluster.observer.history(JOBS, namespace):
        run = version.document["metadata"]["labels"]["isheep.dev/run"]
        first[run] = min(first.get(run, version.at), version.at)
    for name in names:
        if name in first and name in born:
            yield first[name] - born[name]
