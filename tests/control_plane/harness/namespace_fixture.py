"""The fixture of a test: a namespace, its fake workers, and methods to inspect and wait."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from .api import MERGE_PATCH, Answer
from .cluster import Cluster
from .fake_workers import FakeWorkers
from .invariants import check_jobs, check_requests, check_runs, conditions_of, is_finished, steps_of
from .observer import EVENTS, JOBS, RUNS, Version
from .operator_process import OperatorProcess
from .proxy import Proxy
from .runs import Run
from .servers import binaries
from .waiting import PATIENCE_SECONDS, until


class NamespaceFixture:
    """A namespace that an operator watches."""

    def __init__(
        self, cluster: Cluster, name: str, operator: OperatorProcess, proxy: Proxy
    ) -> None:
        self.cluster = cluster
        self.api = cluster.server
        self.name = name
        self.operator = operator
        self.proxy = proxy
        self.keys: dict[str, str] = {}
        """The keys by stage of the latest run that was created with a prefilled store."""
        self.exempt_versions: set[int] = set()
        """Resource versions that another client has written; the invariants skip them."""
        self.stores_differ = False
        """Whether the runs use different stores, so that one key may have several Jobs."""
        self.loses_nodes = False
        """Whether nodes are lost, so that the Job of a lost pod stays beside the next one."""
        self.may_be_forbidden = False
        """Whether the API server may forbid requests of the operator in this test."""

    @property
    def workers(self) -> FakeWorkers:
        return self.cluster.kubelet.workers(self.name)

    # What users do.

    def create(self, run: Run) -> dict[str, Any]:
        """Create a run, and return it as in the response of the API server."""
        if run.begins_at is not None:
            self.keys = self.workers.prefill(run.fields, run.begins_at)
        created: dict[str, Any] = self.api.must("POST", self.runs_path(), run.document())
        self.cluster.observer.catch_up(RUNS, created)
        return created

    def edit(self, name: str = "run", **spec: Any) -> int:
        """Change fields of the spec, and return the new generation."""
        return int(self._patch(name, {"spec": spec})["metadata"]["generation"])

    def annotate(self, name: str = "run", **annotations: Any) -> None:
        """Set annotations with the prefix isheep.dev/."""
        given = {f"isheep.dev/{key}": value for key, value in annotations.items()}
        self._patch(name, {"metadata": {"annotations": given}})

    def delete(self, name: str = "run", *, wait: bool = True) -> None:
        """Delete a run, and by default wait until the observer has seen the deletion."""
        self.api.must("DELETE", self.runs_path(name))
        if wait:
            until(lambda: name not in self.cluster.observer.latest(RUNS, self.name))

    def delete_job(self, name: str) -> None:
        """Delete a Job as `kubectl delete` does."""
        options = {"propagationPolicy": "Background"}
        self.api.must("DELETE", self.jobs_path(name), options)

    def kubectl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl in this namespace."""
        options = (
            f"--kubeconfig={self.cluster.kubeconfig()}",
            f"--cache-dir={self.operator.folder / 'kubectl'}",
            f"--namespace={self.name}",
        )
        done = subprocess.run(
            [str(binaries() / "kubectl"), *options, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    # What exists.

    def runs_path(self, name: str = "") -> str:
        base = f"/apis/isheep.dev/v1alpha1/namespaces/{self.name}/selfalignmentruns"
        return f"{base}/{name}" if name else base

    def jobs_path(self, name: str = "") -> str:
        base = f"/apis/batch/v1/namespaces/{self.name}/jobs"
        return f"{base}/{name}" if name else base

    def core(self, plural: str, name: str = "") -> str:
        base = f"/api/v1/namespaces/{self.name}/{plural}"
        return f"{base}/{name}" if name else base

    def run(self, name: str = "run") -> dict[str, Any]:
        """Return the latest version of a run.

        The observer sees a run that another process has created a moment later.
        """
        found: dict[str, Any] = until(
            lambda: self.cluster.observer.latest(RUNS, self.name).get(name),
            otherwise=f"the observer has not seen the run {name}",
        )
        return found

    def status(self, name: str = "run") -> dict[str, Any]:
        return dict(self.run(name).get("status") or {})

    def phase(self, name: str = "run") -> str | None:
        """Return the phase; None if the status is of an older generation."""
        run = self.run(name)
        status = run.get("status") or {}
        if status.get("observedGeneration") != run["metadata"]["generation"]:
            return None
        return status.get("phase")

    def reason(self, name: str = "run") -> str | None:
        """Return the reason of the Ready condition."""
        return conditions_of(self.run(name)).get("Ready", {}).get("reason")

    def message(self, name: str = "run") -> str:
        """Return the message of the Ready condition."""
        return str(conditions_of(self.run(name)).get("Ready", {}).get("message", ""))

    def pods(self) -> list[dict[str, Any]]:
        return list(self.api.get(self.core("pods"))["items"])

    def jobs(self, run: str = "run", *, finished: bool | None = None) -> list[dict[str, Any]]:
        """Return the Jobs of a run that exist now."""
        jobs = self.cluster.observer.latest(JOBS, self.name).values()
        return [
            job
            for job in jobs
            if job["metadata"].get("labels", {}).get("isheep.dev/run") == run
            and (finished is None or is_finished(job) == finished)
        ]

    def jobs_created(self, run: str = "run") -> list[dict[str, Any]]:
        """Return the first version of every Job of a run, in the order of creation."""
        first: dict[str, Version] = {}
        for version in self.cluster.observer.history(JOBS, self.name):
            first.setdefault(version.uid, version)
        return [
            v.document
            for v in sorted(first.values(), key=lambda v: v.number)
            if v.document["metadata"].get("labels", {}).get("isheep.dev/run") == run
        ]

    def started(self, run: str = "run") -> list[str]:
        """Return the stage id of every Job of a run, in the order of creation, with repetitions."""
        return [steps_of(job)[0][0] for job in self.jobs_created(run)]

    def events(self, run: str = "run") -> list[tuple[str, str, str]]:
        """Return the type, reason and message of each Event about a run, in order."""
        latest = {v.name: v.document for v in self.cluster.observer.history(EVENTS, self.name)}
        return [
            (event["type"], event["reason"], event.get("message", ""))
            for event in latest.values()
            if event["involvedObject"]["kind"] == "SelfAlignmentRun"
            and event["involvedObject"]["name"] == run
        ]

    def history(self, run: str = "run") -> list[dict[str, Any]]:
        """Return the versions of a run."""
        versions = self.cluster.observer.history(RUNS, self.name, run)
        return [v.document for v in versions if not v.deleted]

    def phases(self, run: str = "run") -> list[str | None]:
        """Return the phases of a run in their order."""
        found: list[str | None] = []
        for document in self.history(run):
            phase = (document.get("status") or {}).get("phase")
            if not found or found[-1] != phase:
                found.append(phase)
        return found

    # Waiting.

    def until(self, probe: Callable[[], Any], timeout: float = PATIENCE_SECONDS) -> Any:
        """Call `probe` until its result is truthy; describe the namespace if it never is."""
        return until(probe, timeout, otherwise=self.describe)

    def until_phase(self, phase: str, name: str = "run", timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until the present generation has a phase."""
        self.until(lambda: self.phase(name) == phase, timeout)

    def until_phase_seen(
        self, phase: str, name: str = "run", timeout: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Wait until any version of a run has had a phase; return the first such version."""

        def first() -> dict[str, Any] | None:
            for document in self.history(name):
                if (document.get("status") or {}).get("phase") == phase:
                    return document
            return None

        found: dict[str, Any] = self.until(first, timeout)
        return found

    def until_reason(
        self, reason: str, name: str = "run", timeout: float = PATIENCE_SECONDS
    ) -> None:
        """Wait until the Ready condition of the present generation has a reason."""
        self.until(lambda: self.phase(name) is not None and self.reason(name) == reason, timeout)

    def until_running(self, stage: str, run: str = "run") -> dict[str, Any]:
        """Wait until a pod of a stage runs, and return its Job."""

        def running() -> dict[str, Any] | None:
            for job in self.jobs(run, finished=False):
                ids = [step[0] for step in steps_of(job)]
                ready = job.get("status", {}).get("ready", 0) > 0
                if stage in ids and ready and "deletionTimestamp" not in job["metadata"]:
                    return job
            return None

        found: dict[str, Any] = self.until(running)
        return found

    def until_job(self, stage: str, run: str = "run", number: int = 1) -> dict[str, Any]:
        """Wait for the n-th Job of a stage, and return its first version."""

        def nth() -> dict[str, Any] | None:
            created = [j for j in self.jobs_created(run) if stage in [s[0] for s in steps_of(j)]]
            return created[number - 1] if len(created) >= number else None

        found: dict[str, Any] = self.until(nth)
        return found

    def until_quiet(self, seconds: float = 1.0) -> None:
        """Wait until no operator process has written into the namespace for some seconds."""

        def written() -> int:
            writes = (one for one in self.proxy.all_requests() if one.is_counted_write)
            return sum(f"/namespaces/{self.name}/" in one.path for one in writes)

        last = [written(), time.monotonic()]

        def quiet() -> bool:
            count = written()
            if count != last[0]:
                last[:] = [count, time.monotonic()]
            return time.monotonic() - last[1] > seconds

        self.until(quiet)

    def describe(self) -> str:
        """Return the objects of the namespace, for the message of a failing test."""
        runs = {
            name: {k: v for k, v in (run.get("status") or {}).items() if k != "resolved"}
            for name, run in self.cluster.observer.latest(RUNS, self.name).items()
        }
        jobs = {
            name: [steps_of(job)[0][0] if steps_of(job) else None, job.get("status")]
            for name, job in self.cluster.observer.latest(JOBS, self.name).items()
        }
        pods = {pod["metadata"]["name"]: pod.get("status") for pod in self.pods()}
        parts = [json.dumps(one, indent=1)[:6000] for one in (runs, jobs, pods)]
        parts += self.cluster.kubelet.errors_in(self.name)
        sent = [str(r) for r in self.proxy.all_requests() if self.name in r.path]
        parts.append("\n".join(sent[-30:]))
        return "\n".join([*parts, self.operator.tail()])

    # The end of the test.

    def check(self) -> None:
        """Check the invariants of every test."""
        observer = self.cluster.observer
        runs = observer.history(RUNS, self.name)
        check_runs(version for version in runs if version.number not in self.exempt_versions)
        if not self.stores_differ and not self.loses_nodes:
            check_jobs(observer.history(JOBS, self.name), runs, self.exempt_versions)
        prefix = f"/namespaces/{self.name}/"
        mine = [r for r in self.proxy.all_requests() if prefix in r.path]
        check_requests(mine, may_be_forbidden=self.may_be_forbidden)
        errors = self.cluster.kubelet.errors_in(self.name)
        assert not errors, "\n".join(errors)

    def close(self) -> None:
        self.cluster.close_namespace(self.name)

    def _patch(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        answer: Answer = self.api.request("PATCH", self.runs_path(name), patch, MERGE_PATCH)
        assert answer.status == 200, answer.message
        self.cluster.observer.catch_up(RUNS, answer.body)
        return dict(answer.body)
