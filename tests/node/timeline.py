"""Measure when the Jobs of a run start and end, and the time that the operator adds between.

The timestamps of Kubernetes' objects are whole seconds, so the times are those at which
the watch events arrive.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from cluster import settings
from cluster.clients import Clients


@dataclass
class Watched:
    """One Job: its stage, and the times of its creation, its first container and its end."""

    name: str
    stage: str
    created: float
    started: float | None = None
    ended: float | None = None
    pods: set[str] = field(default_factory=set)


class Timeline:
    """Watches the Jobs and pods of a run; a context manager."""

    def __init__(self, clients: Clients, run: str) -> None:
        self._clients = clients
        self._selector = f"--selector=isheep.dev/run={run}"
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self.jobs: dict[str, Watched] = {}

    def __enter__(self) -> Timeline:
        for kind, receive in (("jobs", self._receive_job), ("pods", self._receive_pod)):
            process = subprocess.Popen(
                [
                    self._clients.binaries / "kubectl",
                    f"--kubeconfig={settings.KUBECONFIG}",
                    f"--namespace={self._clients.namespace}",
                    "get",
                    kind,
                    self._selector,
                    "--watch",
                    "--output-watch-events",
                    "--output=json",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            self._processes.append(process)
            self._threads.append(threading.Thread(target=self._read, args=(process, receive)))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            process.wait()

    def overheads(self) -> list[float]:
        """Return the seconds from the end of each Job to the creation of the next Job."""
        jobs = sorted(self.jobs.values(), key=lambda job: job.created)
        pairs = itertools.pairwise(jobs)
        return [b.created - a.ended for a, b in pairs if a.ended is not None]

    def report(self) -> str:
        """Return a table of each Job's seconds to its first container and from there to its end."""
        jobs = sorted(self.jobs.values(), key=lambda job: job.created)
        lines = [f"{'stage':24}{'pods':>5}{'start':>8}{'work':>8}   seconds"]
        for job in jobs:
            line = f"{job.stage:24}{len(job.pods):5}"
            if job.started is not None and job.ended is not None:
                line += f"{job.started - job.created:8.1f}{job.ended - job.started:8.1f}"
            lines.append(line)
        if gaps := self.overheads():
            lines.append(
                f"from a Job's end to the next Job: median {median(gaps):.2f} s, "
                f"longest {max(gaps):.2f} s, of {len(gaps)}"
            )
        return "\n".join(lines)

    def _read(self, process: subprocess.Popen[str], receive: Any) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            receive(event["type"], event["object"], time.monotonic())

    def _receive_job(self, kind: str, job: Any, now: float) -> None:
        name = job["metadata"]["name"]
        labels = job["metadata"]["labels"]
        if kind == "ADDED":
            stage = f"i{labels['isheep.dev/iteration']}/{labels['isheep.dev/stage']}"
            stage += f"/r{labels['isheep.dev/round']}" if "isheep.dev/round" in labels else ""
            self.jobs.setdefault(name, Watched(name, stage, now))
        watched = self.jobs[name]
        finished = any(
            condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
            for condition in job.get("status", {}).get("conditions", [])
        )
        if watched.ended is None and (finished or kind == "DELETED"):
            watched.ended = now

    def _receive_pod(self, _: str, pod: Any, now: float) -> None:
        watched = self.jobs.get(pod["metadata"]["labels"].get("batch.kubernetes.io/job-name", ""))
        if watched is None:
            return
        watched.pods.add(pod["metadata"]["name"])
        for status in pod["status"].get("containerStatuses", []):
            if watched.started is None and {"running", "terminated"} & set(status["state"]):
                watched.started = now
