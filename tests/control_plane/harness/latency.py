"""How soon the next Job follows, and what the operator costs, with many runs at once.

Every run has four Jobs to go (prepare, train, merge, report); the rest it finds in the
store that all share. Jobs last as long as it takes for so many to end each second as
this machine can carry, some longer and some shorter, as they would if they did
something; a few runs go before, to see what a Job costs all the programs together.
From the watch that tells that a Job has ended to the one that tells of the run's next
Job is the latency, on one clock; nothing waits in between but the operator and the API
server. The operator is the installed one, with its own waits, and there is no proxy in
its way.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from .behaviour import Pod, Work
from .laws import conditions_of, is_finished
from .observer import JOBS, RUNS
from .operator_process import OperatorProcess, configuration
from .plane import ControlPlane
from .rbac import SYSTEM_NAMESPACE
from .runs import Run
from .servers import kubeconfig_with
from .waiting import until

GOAL_SECONDS = 0.5
GOAL_BYTES = 200 * 2**20
MINUTES = 30
STAGES = ("prepare", "train", "merge", "report")
MOST_ENDS_A_SECOND = 10.0
BUSY_SHARE = 0.6
"""Of the machine's cores; how long things wait for a core is not what is asked here."""
FORERUNNERS = 10


@dataclass(frozen=True)
class Spread:
    """Work for a time that differs from pod to pod, the same in every benchmark."""

    mean_seconds: float

    async def __call__(self, pod: Pod) -> None:
        order = pod.order
        chance = random.Random(f"{order.run.name} {order.steps[0].id}").uniform(0.2, 1.8)
        await Work(chance * self.mean_seconds)(pod)


@dataclass(frozen=True)
class Figures:
    """What was measured."""

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
        """Return which goals are missed."""
        found = []
        if self.quantile(0.99) >= GOAL_SECONDS:
            found.append(f"p99 is {self.quantile(0.99):.3f} s, the goal is below {GOAL_SECONDS} s")
        if self.memory_bytes >= GOAL_BYTES:
            mebibytes = self.memory_bytes / 2**20
            found.append(f"memory is {mebibytes:.0f} MiB, the goal is below 200 MiB")
        return found


def measure(plane: ControlPlane, folder: Path, runs: int, namespace: str = "bench") -> Figures:
    """Drive so many runs to their end, with an operator of their own."""
    plane.open_namespace(namespace)
    spec = Run().skip_to("i1/train")
    plane.kubelet.workshop(namespace).prefill(spec.fields, "i1/train")
    # A real kubelet, too, misses that a quick container runs; it spares the machine a write.
    plane.kubelet.writes_running = False
    lease = f"isheep-{namespace}"
    plane.rights.grant_lease(lease)
    kubeconfig = kubeconfig_with(plane.server, plane.rights.token)
    operator = OperatorProcess(folder, kubeconfig, _config(namespace, lease), patches={})
    bench = Bench(plane, namespace, spec, operator)
    operator.start()
    try:
        rate = bench.bearable_rate()
        began, before = time.monotonic(), operator.cpu_seconds()
        peak = bench.drive("run", runs, runs / rate)
        seconds = time.monotonic() - began
        cpu = operator.cpu_seconds() - before
    finally:
        operator.stop()
    latencies = tuple(bench.latencies("run"))
    plane.close_namespace(namespace)
    plane.kubelet.writes_running = True
    return Figures(runs, seconds, rate, latencies, peak, cpu, os.getloadavg()[0])


def _config(namespace: str, lease: str) -> dict[str, Any]:
    where = {"namespace": SYSTEM_NAMESPACE, "name": lease, "durationSeconds": 30}
    return {**configuration(watchNamespaces=[namespace], lease=where), "timings": {}}


@dataclass
class Bench:
    """Runs of one namespace, driven to their end and looked at."""

    plane: ControlPlane
    namespace: str
    spec: Run
    operator: OperatorProcess
    created: int = 0

    def bearable_rate(self) -> float:
        """Return how many Jobs may end each second for a share of the cores to be busy."""
        before = _cpu_seconds()
        self.drive("before", FORERUNNERS, 1.0)
        job = (_cpu_seconds() - before) / (FORERUNNERS * len(STAGES))
        return min(MOST_ENDS_A_SECOND, BUSY_SHARE * (os.cpu_count() or 1) / job)

    def drive(self, name: str, runs: int, mean_seconds: float) -> int:
        """Bring so many runs to their end, whose Jobs last so long; return the peak of memory."""
        self.plane.kubelet.workshop(self.namespace).default = Spread(mean_seconds)
        self._create(name, runs)
        peak = 0

        def over() -> bool:
            nonlocal peak
            peak = max(peak, self.operator.memory_bytes())
            time.sleep(0.5)
            latest = self.plane.observer.latest(RUNS, self.namespace).values()
            phases = [(run.get("status") or {}).get("phase") for run in latest]
            assert "Failed" not in phases, next(
                conditions_of(run) for run in latest if run["status"].get("phase") == "Failed"
            )
            return phases.count("Succeeded") == self.created

        until(over, MINUTES * 60, otherwise=self.operator.tail)
        return peak

    def latencies(self, name: str) -> Iterator[float]:
        """Yield the seconds from the end of each Job to the next Job of its run."""
        begun: dict[str, list[float]] = {}
        ended: dict[str, list[float]] = {}
        seen: set[tuple[str, bool]] = set()
        for version in self.plane.observer.history(JOBS, self.namespace):
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
            # What comes before train is the same for all, and in the store; train is not.
            training = {"warmupSteps": self.created}
            run = self.spec.named(f"{name}-{number:04}").spec(training=training)
            self.plane.server.must("POST", path, run.document())
            self.created += 1


def _cpu_seconds() -> float:
    """Return what this process and all that it has started have used."""
    mine = psutil.Process()
    times = [process.cpu_times() for process in (mine, *mine.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))
