"""One test's place: a namespace, what its pods are told, and words for what is looked at."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from .api import MERGE_PATCH, Answer
from .laws import check_jobs, check_requests, check_runs, conditions_of, is_finished, steps_of
from .observer import EVENTS, JOBS, RUNS, Version
from .operator_process import OperatorProcess
from .plane import ControlPlane
from .proxy import Proxy
from .runs import Run
from .servers import binaries
from .waiting import PATIENCE_SECONDS, until
from .workshop import Workshop


class Scene:
    """A namespace that an operator watches."""

    def __init__(
        self, plane: ControlPlane, namespace: str, operator: OperatorProcess, proxy: Proxy
    ) -> None:
        self.plane = plane
        self.api = plane.server
        self.namespace = namespace
        self.operator = operator
        self.proxy = proxy
        self.keys: dict[str, str] = {}
        """The keys of the stages of the run that was created last and does not begin at once."""
        self.excused: set[int] = set()
        """Versions of runs that somebody else has written, which no law is about."""
        self.stores_differ = False
        """Whether runs of the story have stores of their own, where keys are made anew."""
        self.may_be_forbidden = False
        """Whether the story is one of a request that the API server refuses."""

    @property
    def workshop(self) -> Workshop:
        return self.plane.kubelet.workshop(self.namespace)

    # What users do.

    def create(self, run: Run) -> dict[str, Any]:
        """Create a run, and return it as the API server answered."""
        if run.begins_at is not None:
            self.keys = self.workshop.prefill(run.fields, run.begins_at)
        made: dict[str, Any] = self.api.must("POST", self.runs_path(), run.document())
        self.plane.observer.catch_up(RUNS, made)
        return made

    def edit(self, name: str = "run", **spec: Any) -> int:
        """Change fields of the spec, and return the generation that it is then."""
        return int(self._patch(name, {"spec": spec})["metadata"]["generation"])

    def annotate(self, name: str = "run", **annotations: Any) -> None:
        """Set annotations of isheep.dev."""
        given = {f"isheep.dev/{key}": value for key, value in annotations.items()}
        self._patch(name, {"metadata": {"annotations": given}})

    def delete(self, name: str = "run", *, wait: bool = True) -> None:
        self.api.must("DELETE", self.runs_path(name))
        if wait:
            until(lambda: name not in self.plane.observer.latest(RUNS, self.namespace))

    def delete_job(self, name: str) -> None:
        """Delete a Job as `kubectl delete` does."""
        options = {"propagationPolicy": "Background"}
        self.api.must("DELETE", self.jobs_path(name), options)

    def kubectl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl in this namespace."""
        options = (
            f"--kubeconfig={self.plane.kubeconfig()}",
            f"--cache-dir={self.operator.folder / 'kubectl'}",
            f"--namespace={self.namespace}",
        )
        done = subprocess.run(
            [str(binaries() / "kubectl"), *options, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    # What is there.

    def runs_path(self, name: str = "") -> str:
        base = f"/apis/isheep.dev/v1alpha1/namespaces/{self.namespace}/selfalignmentruns"
        return f"{base}/{name}" if name else base

    def jobs_path(self, name: str = "") -> str:
        base = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        return f"{base}/{name}" if name else base

    def core(self, plural: str, name: str = "") -> str:
        base = f"/api/v1/namespaces/{self.namespace}/{plural}"
        return f"{base}/{name}" if name else base

    def run(self, name: str = "run") -> dict[str, Any]:
        """Return a run as it was last told."""
        return self.plane.observer.latest(RUNS, self.namespace)[name]

    def status(self, name: str = "run") -> dict[str, Any]:
        return dict(self.run(name).get("status") or {})

    def phase(self, name: str = "run") -> str | None:
        """Return the phase, None while it is that of an older generation."""
        run = self.run(name)
        status = run.get("status") or {}
        if status.get("observedGeneration") != run["metadata"]["generation"]:
            return None
        return status.get("phase")

    def reason(self, name: str = "run") -> str | None:
        """Return why, as Ready says it."""
        return conditions_of(self.run(name)).get("Ready", {}).get("reason")

    def message(self, name: str = "run") -> str:
        return str(conditions_of(self.run(name)).get("Ready", {}).get("message", ""))

    def pods(self) -> list[dict[str, Any]]:
        return list(self.api.get(self.core("pods"))["items"])

    def jobs(self, run: str = "run", *, finished: bool | None = None) -> list[dict[str, Any]]:
        """Return a run's Jobs that are there now."""
        jobs = self.plane.observer.latest(JOBS, self.namespace).values()
        return [
            job
            for job in jobs
            if job["metadata"].get("labels", {}).get("isheep.dev/run") == run
            and (finished is None or is_finished(job) == finished)
        ]

    def jobs_made(self, run: str = "run") -> list[dict[str, Any]]:
        """Return every Job that ever was of a run, in its first version, in order."""
        first: dict[str, Version] = {}
        for version in self.plane.observer.history(JOBS, self.namespace):
            first.setdefault(version.uid, version)
        return [
            v.document
            for v in sorted(first.values(), key=lambda v: v.number)
            if v.document["metadata"].get("labels", {}).get("isheep.dev/run") == run
        ]

    def started(self, run: str = "run") -> list[str]:
        """Return the ids of the stages that Jobs were made for, in order, again and again."""
        return [steps_of(job)[0][0] for job in self.jobs_made(run)]

    def events(self, run: str = "run") -> list[tuple[str, str, str]]:
        """Return type, reason and message of the Events about a run, in order."""
        seen = {v.name: v.document for v in self.plane.observer.history(EVENTS, self.namespace)}
        return [
            (event["type"], event["reason"], event.get("message", ""))
            for event in seen.values()
            if event["involvedObject"]["kind"] == "SelfAlignmentRun"
            and event["involvedObject"]["name"] == run
        ]

    def history(self, run: str = "run") -> list[dict[str, Any]]:
        """Return the versions of a run."""
        versions = self.plane.observer.history(RUNS, self.namespace, run)
        return [v.document for v in versions if not v.deleted]

    def phases(self, run: str = "run") -> list[str | None]:
        """Return the phases that a run went through."""
        found: list[str | None] = []
        for document in self.history(run):
            phase = (document.get("status") or {}).get("phase")
            if not found or found[-1] != phase:
                found.append(phase)
        return found

    # Waiting.

    def until(self, look: Callable[[], Any], timeout: float = PATIENCE_SECONDS) -> Any:
        return until(look, timeout, otherwise=self.describe)

    def until_phase(self, phase: str, name: str = "run", timeout: float = PATIENCE_SECONDS) -> None:
        """Wait for a phase of the present generation."""
        self.until(lambda: self.phase(name) == phase, timeout)

    def until_told(
        self, phase: str, name: str = "run", timeout: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Wait until a run was in a phase, however shortly; return it as it was then told first."""

        def look() -> dict[str, Any] | None:
            for document in self.history(name):
                if (document.get("status") or {}).get("phase") == phase:
                    return document
            return None

        found: dict[str, Any] = self.until(look, timeout)
        return found

    def until_reason(
        self, reason: str, name: str = "run", timeout: float = PATIENCE_SECONDS
    ) -> None:
        self.until(lambda: self.phase(name) is not None and self.reason(name) == reason, timeout)

    def until_at_work(self, stage: str, run: str = "run") -> dict[str, Any]:
        """Wait until a pod of a stage runs, and return its Job."""

        def look() -> dict[str, Any] | None:
            for job in self.jobs(run, finished=False):
                ids = [step[0] for step in steps_of(job)]
                ready = job.get("status", {}).get("ready", 0) > 0
                if stage in ids and ready and "deletionTimestamp" not in job["metadata"]:
                    return job
            return None

        found: dict[str, Any] = self.until(look)
        return found

    def until_job(self, stage: str, run: str = "run", number: int = 1) -> dict[str, Any]:
        """Wait for the n-th Job that was made for a stage."""

        def look() -> dict[str, Any] | None:
            made = [j for j in self.jobs_made(run) if stage in [s[0] for s in steps_of(j)]]
            return made[number - 1] if len(made) >= number else None

        found: dict[str, Any] = self.until(look)
        return found

    def settle(self, seconds: float = 1.0) -> None:
        """Wait until the operator has written nothing here for some seconds."""

        def written() -> int:
            return sum(self.namespace in request.path for request in self.proxy.writes())

        last = [written(), time.monotonic()]

        def quiet() -> bool:
            count = written()
            if count != last[0]:
                last[:] = [count, time.monotonic()]
            return time.monotonic() - last[1] > seconds

        self.until(quiet)

    def describe(self) -> str:
        """Return what is there, for the message of a test that fails."""
        runs = {
            name: {k: v for k, v in (run.get("status") or {}).items() if k != "resolved"}
            for name, run in self.plane.observer.latest(RUNS, self.namespace).items()
        }
        jobs = {
            name: [steps_of(job)[0][0] if steps_of(job) else None, job.get("status")]
            for name, job in self.plane.observer.latest(JOBS, self.namespace).items()
        }
        pods = {pod["metadata"]["name"]: pod.get("status") for pod in self.pods()}
        parts = [json.dumps(one, indent=1)[:6000] for one in (runs, jobs, pods)]
        parts += self.plane.kubelet.errors_in(self.namespace)
        asked = [str(r) for r in list(self.proxy.requests) if self.namespace in r.path]
        parts.append("\n".join(asked[-30:]))
        return "\n".join([*parts, self.operator.tail()])

    # The end.

    def check(self) -> None:
        """Check what holds in every story."""
        observer = self.plane.observer
        runs = observer.history(RUNS, self.namespace)
        check_runs(version for version in runs if version.number not in self.excused)
        if not self.stores_differ:
            check_jobs(observer.history(JOBS, self.namespace), runs, self.excused)
        mine = [r for r in list(self.proxy.requests) if f"/namespaces/{self.namespace}/" in r.path]
        check_requests(mine, may_be_forbidden=self.may_be_forbidden)
        errors = self.plane.kubelet.errors_in(self.namespace)
        assert not errors, "\n".join(errors)

    def close(self) -> None:
        self.plane.close_namespace(self.namespace)

    def _patch(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        answer: Answer = self.api.request("PATCH", self.runs_path(name), patch, MERGE_PATCH)
        assert answer.status == 200, answer.message
        self.plane.observer.catch_up(RUNS, answer.body)
        return dict(answer.body)
