"""Pods on lost nodes: which pods show that their node does not answer, and since when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from isheep.contract.reasons import Reason
from isheep.kube.pods.lost_nodes import (
    DELETION_GRACE,
    KILL_TIME,
    SILENCE_GRACE,
    lost_nodes,
    why_silent,
)
from isheep.kube.pods.pod_records import PodRecord, pod_record

from ..builders import at, condition, pod_json, terminated
from ..virtual_time import START

MINUTE = 60


def on_node(node: str = "gpu-7", **fields: Any) -> PodRecord:
    """Return a pod that runs on a node."""
    spec = {"nodeName": node, **fields.pop("spec", {})}
    state = fields.pop("state", {"running": {"startedAt": at(10)}})
    document = pod_json(**{"phase": "Running", "state": state, **fields})
    return pod_record({**document, "spec": spec})


def conditions(ready: str, containers: str, since: int = MINUTE) -> list[dict[str, Any]]:
    return [
        condition("Ready", ready, lastTransitionTime=at(since)),
        condition("ContainersReady", containers, lastTransitionTime=at(10)),
    ]


CUT_OFF = conditions("False", "True")
DELETED = {"deletionTimestamp": at(MINUTE)}

SILENT: tuple[tuple[str, dict[str, Any], timedelta], ...] = (
    ("marked as not ready by the node controller", {"conditions": CUT_OFF}, SILENCE_GRACE),
    ("deleted, past its grace period", DELETED, DELETION_GRACE),
    ("evicted from its node", {**DELETED, "conditions": CUT_OFF}, DELETION_GRACE),
)
ANSWERING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ready", {"conditions": conditions("True", "True")}),
    ("not ready by its kubelet", {"conditions": conditions("False", "False")}),
    ("behind a readiness gate", {"conditions": CUT_OFF, "spec": {"readinessGates": [{}]}}),
    ("without conditions", {}),
    ("pending", {"phase": "Pending", "state": {}, "conditions": conditions("False", "False")}),
)


@pytest.mark.parametrize(("what", "fields", "grace"), SILENT)
def test_a_pod_is_lost_after_a_grace(what: str, fields: dict[str, Any], grace: timedelta) -> None:
    since = START + timedelta(seconds=MINUTE)
    pods = [on_node(**fields)]
    second = timedelta(seconds=1)
    assert lost_nodes(pods, since + grace - second) == (), what
    assert lost_nodes(pods, since + grace) == ("gpu-7",), what
    waiting = why_silent(pods, since + KILL_TIME)
    assert waiting is not None
    assert (waiting.reason, waiting.stalled) == (Reason.NODE_LOST, False)
    assert "gpu-7" in waiting.message


@pytest.mark.parametrize(("what", "fields"), ANSWERING)
def test_a_pod_whose_kubelet_may_answer_is_never_lost(what: str, fields: dict[str, Any]) -> None:
    later = START + timedelta(days=2)
    assert lost_nodes([on_node(**fields)], later) == (), what
    assert why_silent([on_node(**fields)], later) is None, what


def test_a_deleted_pod_is_not_silent_in_its_grace_period() -> None:
    pod = on_node(deletionTimestamp=at(10 * MINUTE), conditions=CUT_OFF)
    assert why_silent([pod], START + timedelta(minutes=9)) is None


def test_a_pod_that_its_kubelet_kills_at_the_end_of_its_grace_period_is_not_silent() -> None:
    pod = on_node(**DELETED)
    assert why_silent([pod], START + timedelta(seconds=MINUTE + 2)) is None


def test_all_pods_that_have_not_ended_must_be_lost() -> None:
    later = START + timedelta(days=2)
    lost = [on_node("b", conditions=CUT_OFF), on_node("a", **DELETED)]
    ended = on_node("c", phase="Succeeded", state=terminated(0), **DELETED)
    assert lost_nodes([*lost, ended], later) == ("a", "b")
    assert lost_nodes([*lost, on_node("d", conditions=conditions("True", "True"))], later) == ()
    assert lost_nodes([ended], later) == ()
    assert lost_nodes([], later) == ()
    assert why_silent([], later) is None


def test_a_pod_without_a_node_cannot_be_lost() -> None:
    pod = pod_record(pod_json(phase="Pending", **DELETED))
    assert lost_nodes([pod], START + timedelta(days=2)) == ()
