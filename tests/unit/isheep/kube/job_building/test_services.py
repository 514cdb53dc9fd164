"""The headless Service of a run: its document, and which existing Service is the run's."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.kube.job_building.services import is_same_service, service_document

from ..job_documents import OWNER, job_for, training_start


def test_the_service_publishes_pods_that_are_not_ready_and_belongs_to_the_run() -> None:
    service = service_document(OWNER, "ns")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["ownerReferences"] == job_for()["metadata"]["ownerReferences"]
    assert service["metadata"]["namespace"] == "ns"


def test_the_service_selects_the_pods_of_a_training() -> None:
    labels = job_for(training_start(4, attempt=2))["spec"]["template"]["metadata"]["labels"]
    selector = service_document(OWNER, "ns")["spec"]["selector"]
    assert selector.items() <= labels.items()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"spec": {"clusterIPs": ["None"], "type": "ClusterIP"}}, True),
        ({"spec": {"clusterIP": "10.0.0.1"}}, False),
        ({"spec": {"selector": {"app": "mine"}}}, False),
        ({"spec": {"publishNotReadyAddresses": False}}, False),
        ({"metadata": {"ownerReferences": []}}, False),
        ({"metadata": {"ownerReferences": None}}, False),
    ],
)
def test_only_a_service_with_the_owner_and_the_fields_of_the_run_is_the_same(
    change: dict[str, Any], same: bool
) -> None:
    service = service_document(OWNER, "ns")
    found = {name: {**service[name], **change.get(name, {})} for name in ("metadata", "spec")}
    assert is_same_service(found, service) is same
