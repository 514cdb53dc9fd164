"""Measure the time until the next Job, and the cost of the operator, with many runs at once.

Every run has four Jobs (prepare, train, merge, report); the results of its other stages are
in the store that all runs share. The latency is the time from the watch event that ends a
Job to the watch event that adds the next Job of the run, on one clock. Only the operator
and the API server work in between. The operator is the installed command with its default
waits, and has no proxy.

The Jobs' durations differ, as those of real Jobs. Their mean is set so that the number of
Jobs that end each second keeps a fixed share of this machine's cores busy; a few earlier
runs measure the CPU time that one Job costs all programs together.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from .cluster import Cluster
from .invariants import conditions_of, is_finished
from .observer import JOBS, RUNS
from .operator_process import OperatorProcess, configuration
from .pod_behaviour import Pod, Work
from .rbac import SYSTEM_NAMESPACE
from .runs import Run
from .servers import kubeconfig_with
from .silence import EVERY_ADDRESS, silence
from .waiting import until

GOAL_SECONDS = 0.5
GOAL_BYTES = 200 * 2**20
MINUTES = 30
STAGES = ("prepare", "train", "merge", "report")
MOST_ENDS_A_SECOND = 10.0
BUSY_SHARE = 0.6
"""The share of the machine's cores; with more, the latency would include waits for a core."""
WARM_UP_RUNS = 10


@dataclass(frozen=True)
class Spread:
    """Work for a time that differs between pods and is the same in every benchmark."""

    mean_seconds: float

    async def __call__(self, pod: Pod) -> None:
        order = pod.order
        factor = random.Random(f"{order.run.name} {order.steps[0].id}").uniform(0.2, 1.8)
        await Work(factor * self.mean_seconds)(pod)


@dataclass(frozen=True)
class Figures:
    """The results of a measurement."""

    runs: int
    seconds: float
    ends_a_second: float
    latencies: tuple[float, ...]
    memory_bytes: int
    cpu_seconds: float
    load: float

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        jobs = len(self.latencies)
        return (
            f"{self.runs} runs, {jobs} times from a Job's end to the next Job, "
            f"{self.seconds:.0f} s, {self.ends_a_second:.1f} ends a second: "
            f"p50 {self.quantile(0.5):.3f} s, "
            f"p99 {self.quantile(0.99):.3f} s, worst {self.quantile(1.0):.3f} s; "
            f"operator {self.memory_bytes / 2**20:.0f} MiB, {self.cpu_seconds:.1f} s CPU; "
            f"{os.cpu_count()} cores, load {self.load:.1f} at the end"
        )

    def misses(self) -> list[str]:
        """Return one message for each missed goal."""
        found = []
        if self.quantile(0.99) >= GOAL_SECONDS:
            found.append(f"p99 is {self.quantile(0.99):.3f} s, the goal is below {GOAL_SECONDS} s")
        if self.memory_bytes >= GOAL_BYTES:
            mebibytes = self.memory_bytes / 2**20
            found.append(f"memory is {mebibytes:.0f} MiB, the goal is below 200 MiB")
        return found


def measure(
    cluster: Cluster, folder: Path, runs: int, namespace: str = "bench", *, silent: bool = False
) -> Figures:
    """Run a number of runs to their end with a separate operator, and return the figures.

    With `silent`, the pods run and do not answer the operator.
    """
    cluster.open_namespace(namespace)
    spec = Run().skip_to("i1/train")
    cluster.kubelet.workers(namespace).prefill(spec.fields, "i1/train")
    # A real kubelet also misses the running state of a quick container; this saves a write.
    cluster.kubelet.writes_running = silent
    operator = operator_of(cluster, folder, namespace)
    bench = Bench(cluster, namespace, spec, operator)
    listening = silence([EVERY_ADDRESS]) if silent else nullcontext()
    operator.start()
    try:
        with listening:
            rate = bench.sustainable_rate()
            began, before = time.monotonic(), operator.cpu_seconds()
            peak = bench.drive("run", runs, runs / rate)
            seconds = time.monotonic() - began
            cpu = operator.cpu_seconds() - before
    finally:
        operator.stop()
    latencies = tuple(bench.latencies("run"))
    cluster.close_namespace(namespace)
    cluster.kubelet.writes_running = True
    return Figures(runs, seconds, rate, latencies, peak, cpu, os.getloadavg()[0])


def operator_of(cluster: Cluster, folder: Path, namespace: str) -> OperatorProcess:
    """Return an operator of its own, not started yet: the installed command, without a proxy."""
    lease = f"isheep-{namespace}"
    cluster.rights.grant_lease(lease)
    kubeconfig = kubeconfig_with(cluster.server, cluster.rights.token)
    return OperatorProcess(folder, lambda: kubeconfig, config_of(namespace, lease), patches={})


def config_of(namespace: str, lease: str) -> dict[str, Any]:
    """Return the configuration of an operator with the default waits."""
    where = {"namespace": SYSTEM_NAMESPACE, "name": lease, "durationSeconds": 30}
    return {**configuration(watchNamespaces=[namespace], lease=where), "timings": {}}


@dataclass
class Bench:
    """Creates the runs of one namespace, waits for their end, and measures."""

    cluster: Cluster
    namespace: str
    spec: Run
    operator: OperatorProcess
    created: int = 0

    def sustainable_rate(self) -> float:
        """Return the number of Jobs that end each second if BUSY_SHARE of the cores is busy."""
        before = _cpu_seconds()
        self.drive("before", WARM_UP_RUNS, 1.0)
        job = (_cpu_seconds() - before) / (WARM_UP_RUNS * len(STAGES))
        return min(MOST_ENDS_A_SECOND, BUSY_SHARE * (os.cpu_count() or 1) / job)

    def drive(self, name: str, runs: int, mean_seconds: float) -> int:
        """Create runs and wait until all have succeeded.

        Args:
            name: The prefix of the runs' names.
            runs: The number of runs.
            mean_seconds: The mean duration of a Job.

        Returns:
            The largest resident memory of the operator, in bytes.
        """
        self.cluster.kubelet.workers(self.namespace).default = Spread(mean_seconds)
        self._create(name, runs)
        peak = 0

        def all_succeeded() -> bool:
            nonlocal peak
            peak = max(peak, self.operator.memory_bytes())
            time.sleep(0.5)
            latest = self.cluster.observer.latest(RUNS, self.namespace).values()
            phases = [(run.get("status") or {}).get("phase") for run in latest]
            assert "Failed" not in phases, next(
                conditions_of(run) for run in latest if run["status"].get("phase") == "Failed"
            )
            return phases.count("Succeeded") == self.created

        until(all_succeeded, MINUTES * 60, otherwise=self.operator.tail)
        return peak

    def latencies(self, name: str) -> Iterator[float]:
        """Yield the seconds from the end of each Job to the next Job of its run."""
        begun: dict[str, list[float]] = {}
        ended: dict[str, list[float]] = {}
        seen: set[tuple[str, bool]] = set()
        for version in self.cluster.observer.history(JOBS, self.namespace):
            finished = is_finished(version.document)
            run = version.document["metadata"]["labels"]["isheep.dev/run"]
            if (version.uid, finished) in seen or not run.startswith(f"{name}-"):
                continue
            seen.add((version.uid, finished))
            (ended if finished else begun).setdefault(run, []).append(version.at)
        for run, starts in begun.items():
            yield from (start - end for end, start in zip(ended[run], starts[1:], strict=False))

    def _create(self, name: str, runs: int) -> None:
        path = f"/apis/isheep.dev/v1alpha1/namespaces/{self.namespace}/selfalignmentruns"
        for number in range(runs):
            # The stages before train are equal for all runs and in the store. train differs.
            training = {"warmupSteps": self.created}
            run = self.spec.named(f"{name}-{number:04}").spec(training=training)
            self.cluster.server.must("POST", path, run.document())
            self.created += 1


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of all its descendants."""
    mine = psutil.Process()
    times = [process.cpu_times() for process in (mine, *mine.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))
