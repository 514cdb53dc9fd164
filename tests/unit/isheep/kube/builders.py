"""Builders of API objects as JSON, of records and of starts.

Every field has a default, so a test gives only the fields that it checks.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from isheep.contract.order import (
    Outcome,
    RunRef,
    Sources,
    StageOrder,
    StageResult,
    Step,
    StepResult,
    dump_result,
)
from isheep.contract.store_spec import S3StoreSpec, StoreSpec
from isheep.kube.cache.records import JobRecord, RunRecord, job_record, run_record
from isheep.planner.pinning import Resolved, pin
from isheep.planner.types import Start
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind

from ..planner.simulation import SPEC, make_run, spec_with

CREATED = "2026-01-01T00:00:00Z"
RUN_UID = "0b4c1c1e-0000-4000-8000-000000000001"


def at(seconds: int) -> str:
    """Return the time after some seconds, in the format of the API server."""
    return f"2026-01-01T00:{seconds // 60:02}:{seconds % 60:02}Z"


def run_json(name: str = "run", uid: str = RUN_UID, **fields: Any) -> dict[str, Any]:
    """Return a run; `spec` and `status` replace these members, other fields go into metadata."""
    document: dict[str, Any] = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": uid,
            "resourceVersion": "10",
            "generation": 1,
            "creationTimestamp": CREATED,
        },
        "spec": copy.deepcopy(fields.pop("spec", SPEC)),
        "status": fields.pop("status", {"observedGeneration": -1}),
    }
    document["metadata"].update(fields)
    return document


def job_json(name: str = "run-respond-abc", uid: str = "job-1", **fields: Any) -> dict[str, Any]:
    """Return a Job; `spec`, `labels` and `annotations` are merged, and `status` is replaced."""
    step = fields.pop("steps", (("i1/respond", "k" * 64),))
    document: dict[str, Any] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": uid,
            "resourceVersion": "20",
            "creationTimestamp": CREATED,
            "labels": {
                "app.kubernetes.io/managed-by": "isheep-operator",
                "isheep.dev/run": "run",
                "isheep.dev/run-uid": RUN_UID,
                "isheep.dev/attempt": "1",
            },
            "annotations": {
                "isheep.dev/steps": json.dumps([{"id": i, "key": k} for i, k in step]),
                "isheep.dev/order-sha256": "f" * 64,
            },
        },
        "spec": {"parallelism": 1, "completions": 1, **fields.pop("spec", {})},
        "status": fields.pop("status", {}),
    }
    for name_ in ("labels", "annotations"):
        document["metadata"][name_].update(fields.pop(name_, {}))
    document["metadata"].update(fields)
    return document


def a_run(**fields: Any) -> RunRecord:
    return run_record(run_json(**fields))


def a_job(**fields: Any) -> JobRecord:
    return job_record(job_json(**fields))


def condition(kind: str, status: str = "True", **fields: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastTransitionTime": at(90), **fields}


def pod_json(name: str = "run-respond-abc-0-x", **fields: Any) -> dict[str, Any]:
    """Return a pod; `state` is that of the worker container, `index` that of the pod in its Job."""
    status: dict[str, Any] = {"phase": fields.pop("phase", "Pending")}
    for field in ("reason", "message", "conditions", "podIP"):
        if field in fields:
            status[field] = fields.pop(field)
    if "state" in fields:
        worker = {"name": "worker", "ready": False, "state": fields.pop("state")}
        sidecar = {"name": "istio-proxy", "ready": True, "state": {"running": {"startedAt": at(1)}}}
        status["containerStatuses"] = [sidecar, worker]
    annotations = {"batch.kubernetes.io/job-completion-index": str(fields.pop("index", 0))}
    metadata = {"name": name, "namespace": "ns", "uid": f"uid of {name}"}
    return {"metadata": {**metadata, "annotations": annotations, **fields}, "status": status}


def terminated(code: int, message: str = "", **fields: Any) -> dict[str, Any]:
    """Return the state of a container that has ended."""
    reason = "Completed" if code == 0 else "Error"
    times = {"startedAt": at(5), "finishedAt": at(60)}
    return {
        "terminated": {"exitCode": code, "reason": reason, "message": message, **times, **fields}
    }


def result_text(outcome: Outcome = Outcome.COMMITTED, **fields: Any) -> str:
    """Return a termination message."""
    if outcome is Outcome.COMMITTED:
        fields.setdefault("steps", (StepResult(id="i1/respond", key="k" * 64),))
    return dump_result(StageResult(outcome=outcome, **fields))


def a_step(kind: str = "respond", **fields: Any) -> Step:
    """Return the step of a stage; `fields` replace its fields."""
    iteration = 0 if kind == "prepare" else 1
    defaults: dict[str, Any] = {
        "id": "prepare" if kind == "prepare" else f"i1/{kind}",
        "kind": kind,
        "version": 1,
        "key": "k" * 64,
        "iteration": iteration,
        "settings": {},
        "items": 200,
    }
    return Step(**{**defaults, **fields})


def a_start(kind: str = "respond", *, steps: tuple[Step, ...] = (), **fields: Any) -> Start:
    """Return the start of one stage; `fields` are fields of the order or of the Start."""
    of_start = {n: fields.pop(n) for n in ("parallelism", "deadline_seconds") if n in fields}
    defaults: dict[str, Any] = {
        "run": RunRef(namespace="ns", name="run", uid=RUN_UID),
        "store": StoreSpec(s3=S3StoreSpec(bucket="bucket", prefix="some/prefix")),
        "sources": Sources(model="hf://org/model"),
        "steps": steps or (a_step(kind),),
    }
    order = StageOrder(**{**defaults, **fields})
    pool = STAGE_DEFINITIONS[StageKind(order.steps[0].kind)].pool
    return Start(order, pool, **{"parallelism": 1, **of_start})


def resolved_from(worker_image: str = "", **spec: Any) -> Resolved:
    """Return the resolved values of a run; a field with the value None is removed from the spec."""
    document = spec_with(**spec)
    document = {name: value for name, value in document.items() if value is not None}
    return pin(make_run(document), worker_image, retried=False)
