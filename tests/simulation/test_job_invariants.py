"""The invariants about what a Job asks for: a simulated history, and the same with a wrong Job."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from isheep.contract.order import StageOrder, canonical_order, order_sha256
from isheep.contract.store_spec import S3StoreSpec, StoreSpec

from .api_server import JOBS, Json
from .batch import run_seeds
from .history import History
from .invariants import true_orders, true_pods
from .memo import remembered
from .orders import order_of
from .simulate import simulate
from .specs import completed


def _seed_with_pools() -> int:
    """Return a seed whose pools ask for all that they can, and whose runs name a store."""
    spec: Json = {"model": {}, "storage": {"s3": {}}, "compute": {}}
    for seed in range(1000):
        _, (made,) = completed(seed, ["run"], [spec])
        if "modelCache" in made["compute"] and "storage" in made and "yardstick" not in made:
            return seed
    raise AssertionError("no seed has pools that ask for something")


@pytest.fixture(scope="module")
def disturbed() -> History:
    with remembered():
        return simulate(_seed_with_pools())


def with_wrong_job(found: History, change: Callable[[Json], None], kind: str = "train") -> History:
    """Return a history in which the first Job of a kind of stage is changed."""
    changes = list(found.changes)
    for place, one in enumerate(changes):
        labels = one.document["metadata"].get("labels") or {}
        added = one.resource == JOBS and one.kind == "ADDED"
        if added and labels["isheep.dev/stage"] == kind:
            document = copy.deepcopy(one.document)
            change(document)
            changes[place] = replace(one, document=document)
            return replace(found, changes=tuple(changes), faults=())
    raise AssertionError(f"no Job begins with {kind}")


def at(*path: str | int, value: Any) -> Callable[[Json], None]:
    """Return a change that sets the member at a path of a Job's pods; None removes it."""

    def change(job: Json) -> None:
        place: Any = job["spec"]["template"]
        for name in path[:-1]:
            place = place[name]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return change


WORKER = ("spec", "containers", 0)
WRONG_PODS = {
    "another service account": at("spec", "serviceAccountName", value="default"),
    "a token": at("spec", "automountServiceAccountToken", value=True),
    "root": at("spec", "securityContext", "runAsUser", value=0),
    "no profile": at(*WORKER, "securityContext", "appArmorProfile", value=None),
    "another image": at(*WORKER, "image", value="image-2"),
    "another policy": at(*WORKER, "imagePullPolicy", value="Never"),
    "no resources": at(*WORKER, "resources", "limits", value={}),
    "no variable": at(*WORKER, "env", 2, value=None),
    "another variable": at(*WORKER, "env", 2, "value", value="x"),
    "no volume": at("spec", "volumes", 0, value=None),
    "a volume that can be written": at(*WORKER, "volumeMounts", 3, "readOnly", value=None),
    "no label": at("metadata", "labels", value={}),
    "no annotation": at("metadata", "annotations", value={}),
    "another node": at("spec", "nodeSelector", value={}),
    "no tolerations": at("spec", "tolerations", value=None),
    "no affinity": at("spec", "affinity", value=None),
    "no grace": at("spec", "terminationGracePeriodSeconds", value=1),
}


def test_the_pods_and_orders_of_a_simulation_are_right(disturbed: History) -> None:
    assert true_pods.violations(disturbed) == []
    assert true_orders.violations(disturbed) == []


def _first_kind(found: History) -> str:
    """Return the kind of the last Job's first stage, which comes after prepare."""
    jobs = [c.document for c in found.changes if c.resource == JOBS and c.kind == "ADDED"]
    return str(jobs[-1]["metadata"]["labels"]["isheep.dev/stage"])


@pytest.mark.parametrize("name", WRONG_PODS)
def test_a_pod_with_a_wrong_field_is_a_violation(disturbed: History, name: str) -> None:
    wrong = with_wrong_job(disturbed, WRONG_PODS[name], _first_kind(disturbed))
    assert true_pods.violations(wrong)


@pytest.mark.parametrize(
    "change",
    [
        lambda job: job["spec"].pop("maxFailedIndexes"),
        lambda job: job["metadata"]["ownerReferences"][0].pop("controller"),
        lambda job: job["metadata"]["annotations"].pop("isheep.dev/order-sha256"),
    ],
)
def test_a_job_with_a_wrong_field_is_a_violation(
    disturbed: History, change: Callable[[Json], None]
) -> None:
    assert true_pods.violations(with_wrong_job(disturbed, change, "prepare"))


def ordering(change: Callable[[StageOrder], StageOrder]) -> Callable[[Json], None]:
    """Return a change of a Job that changes its order."""

    def changed(job: Json) -> None:
        text = canonical_order(change(order_of(job)))
        values = {"ISHEEP_ORDER": text, "ISHEEP_ORDER_SHA256": order_sha256(text)}
        for one in job["spec"]["template"]["spec"]["containers"][0]["env"]:
            one["value"] = values.get(one["name"], one.get("value"))

    return changed


def updated(part: str, **fields: Any) -> Callable[[Json], None]:
    """Return a change of fields of a part of an order."""
    return ordering(
        lambda order: order.model_copy(
            update={part: getattr(order, part).model_copy(update=fields)}
        )
    )


OTHER = StoreSpec(s3=S3StoreSpec(bucket="other", prefix="", addressing="Virtual"))
WRONG_ORDERS = {
    "another store": ordering(lambda order: order.model_copy(update={"store": OTHER})),
    "another run": updated("run", name="other"),
    "another installation": updated("run", cluster="other"),
    "another model": updated("sources", model="hf://other/model"),
    "another revision": updated("sources", model_revision="commit-2"),
    "no mirrors": updated("sources", mirrors={}),
    "a pinned input": updated("sources", pinned={"model": "x"}),
    "a CPU": updated("runtime", accelerator="CPU"),
    "smaller batches": updated("runtime", memory_reduction=2),
    "several nodes": updated("runtime", num_nodes=2),
    "no inputs": ordering(
        lambda order: order.model_copy(
            update={
                "steps": tuple(
                    step.model_copy(update={"inputs": {"data": ("0" * 64,)}})
                    for step in order.steps
                )
            }
        )
    ),
}


@pytest.mark.parametrize("name", WRONG_ORDERS)
def test_an_order_with_a_wrong_field_is_a_violation(disturbed: History, name: str) -> None:
    wrong = with_wrong_job(disturbed, WRONG_ORDERS[name], _first_kind(disturbed))
    assert true_orders.violations(wrong)


def test_a_seed_with_pools_has_no_violation() -> None:
    (outcome,) = run_seeds([_seed_with_pools()], processes=1)
    assert outcome.violations == ()
