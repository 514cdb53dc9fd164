"""The order of each Job has what its workers need: the store, the sources, the device and the keys.

`contract/order.py` says what each field means. The simulated runs and the simulated installation
have one value for most of them. An edit of the simulation changes no source, so prepare reads none
of them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from isheep.contract.order import StageOrder

from ..api_server import JOBS, RUNS, Json
from ..history import History
from ..operator_process import PRICE
from ..orders import order_of
from .disturbances import calm_times
from .true_failure import UID_LABEL

STORE = {"s3": {"bucket": "bucket", "prefix": "some/prefix", "addressing": "Virtual"}}
MIRRORS = {"hf://org/": "pvc://models/org/", "pvc://models": "/mnt/pvc/models"}
POOLS = ("inference", "training", "processing")
PRICES = {"currency": "EUR", "perHour": dict.fromkeys(POOLS, PRICE)}
"""A pool that names no GPU uses whole ones."""
REVISION = "commit-1"
"""The revision of the model that each simulated prepare finds."""
PLACES = ("compute", "managedBy", "serviceAccountName", "storage")
"""The fields of a spec that change no output, so no worker reads them."""


def violations(history: History) -> list[str]:
    """Return the orders with a field that is wrong, and those of stages without their inputs."""
    runs: dict[str, Json] = {}
    calm = calm_times(history)
    asked: list[tuple[float, Json, StageOrder, int]] = []
    commits = iter([*history.commits, None])
    commit = next(commits)
    made: set[str] = set()
    clusters: set[Any] = set()
    found: list[str] = []
    for change in history.changes:
        while commit is not None and commit.at <= change.at:
            made.add(commit.key)
            commit = next(commits)
        metadata = change.document["metadata"]
        if change.resource == RUNS:
            before = runs.get(metadata["uid"]) or {}
            runs[metadata["uid"]] = change.document
            if before.get("status") == change.document.get("status"):
                # An edit. The status that counts the Job comes later.
                continue
            for at, job, order, count in asked:
                # A status whose write is lost has the count of no Job.
                counted = _reductions(change.document, order)
                # An edit may have replaced the stage meanwhile.
                known = order.run.uid == metadata["uid"] and counted is not None
                if known and calm.holds(at - 1.0, change.at):
                    found += _wrong_batch(job, order, {count, counted})
            asked = [one for one in asked if one[2].run.uid != metadata["uid"]]
        elif change.resource == JOBS and change.kind == "ADDED":
            run = runs.get(metadata["labels"].get(UID_LABEL, ""))
            if run is None:
                continue
            order = order_of(change.document)
            clusters.add(order.run.cluster)
            asked.append((change.at, change.document, order, _reductions(run, order) or 0))
            wrong = _wrong(order, run, made)
            found += [f"{metadata['name']} has an order with {why}" for why in wrong]
    if len(clusters) > 1:
        found.append(f"orders name the installations {clusters}")
    return found


def _reductions(run: Json, order: StageOrder) -> int | None:
    """Return how often the batches of an order's first stage were halved; None without a record."""
    first = (order.steps[0].id, order.steps[0].key)
    stages = (run.get("status") or {}).get("stages") or ()
    found = (s.get("memoryReduction") or 0 for s in stages if (s["id"], s["key"]) == first)
    return next(found, None)


def _wrong_batch(job: Json, order: StageOrder, counts: set[int | None]) -> Iterator[str]:
    """Yield an order with another batch than the status before its Job, and after it."""
    if order.runtime.memory_reduction not in counts:
        name, count = job["metadata"]["name"], order.runtime.memory_reduction
        yield f"{name} halves batches {count} times, and its run {counts}"


def _wrong(order: StageOrder, run: Json, made: set[str]) -> Iterator[str]:
    document = order.model_dump(mode="json", by_alias=True, exclude_none=True)
    first, spec = order.steps[0], run["spec"]
    if document["store"] != STORE:
        yield f"the store {document['store']}"
    if (order.run.namespace, order.run.name) != ("ns", run["metadata"]["name"]):
        yield f"the run {order.run}"
    yield from _wrong_sources(document["sources"], run, prepares=first.kind == "prepare")
    runtime = {**document["runtime"]}
    prices = runtime.pop("gpuPrices", None)
    if prices != (PRICES if first.kind == "report" else None):
        yield f"the prices {prices}"
    limits = (spec["compute"]["inference"].get("resources") or {}).get("limits") or {}
    device = "GPU" if "nvidia.com/gpu" in limits else "CPU"
    for name, value in (("accelerator", device), ("tensorParallelSize", 1), ("numNodes", 1)):
        if runtime.get(name) != value:
            yield f"the {name} {runtime.get(name)}"
    if {"adapterRank", "engineLength", "maxNumSeqs"} & runtime.keys() or runtime["enforceEager"]:
        yield f"the runtime {runtime}"
    for step in order.steps:
        if step.version != order.stage_versions.get(step.kind):
            yield f"the version {step.version} of {step.id}"
        missing = {key for keys in step.inputs.values() for key in keys} - made
        if missing:
            yield f"{step.id}, whose inputs are not committed"
    if order.walk is not None:
        yield from _wrong_walk(order, spec, run)


def _wrong_sources(sources: Json, run: Json, *, prepares: bool) -> Iterator[str]:
    spec, status = run["spec"], run.get("status") or {}
    wanted: Json = {"model": spec["model"]["storageUri"], "mirrors": MIRRORS, "benchmarks": {}}
    endpoint = (spec.get("judge") or {}).get("endpoint")
    if endpoint is not None:
        own = {name: endpoint[name] for name in ("url", "model")}
        wanted["judgeEndpoint"] = {
            **own,
            "maxConcurrentRequests": 8,
            "timeoutSeconds": 120,
            "maxRetries": 5,
        }
    judgements = (spec.get("evaluation") or {}).get("judgements") or ()
    data = {one["name"]: one["storageUri"] for one in judgements}
    wanted |= {"seedTasks": "builtin:Default", "evaluation": data if prepares else {}}
    known = ((status.get("resolved") or {}).get("inputs") or {}).copy()
    revision = known.pop("modelRevision", None)
    wanted["pinned"] = known if prepares else {}
    if not prepares:
        revision = REVISION
    if revision is not None:
        wanted["modelRevision"] = revision
    for name in wanted.keys() | sources.keys():
        if sources.get(name) != wanted.get(name):
            yield f"the {name} {sources.get(name)}, and not {wanted.get(name)}"


def _wrong_walk(order: StageOrder, spec: Json, run: Json) -> Iterator[str]:
    walk = order.walk
    if walk is None:
        return
    if set(PLACES) & walk.spec.keys():
        yield f"the fields {sorted(set(PLACES) & walk.spec.keys())} in its walk"
    stages = (run.get("status") or {}).get("stages") or ()
    # The next status of a stage that is tried again has no failure.
    own = {step.key for step in order.steps}
    lost = {stage["key"] for stage in stages if stage.get("failure")} - own
    # The plan that starts the Job may have counted another failure.
    if lost - set(walk.failed):
        yield f"the failed stages {walk.failed}, and its run has {lost}"
