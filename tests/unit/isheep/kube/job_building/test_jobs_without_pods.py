"""The reasons for which a Job has no pods, from the messages of its Events."""

from __future__ import annotations

import pytest

from isheep.kube.pods.pod_records import EventRecord
from isheep.kube.pods.pod_waiting import why_no_pods

FORBIDDEN = 'Error creating: pods "run-respond-abc-0-" is forbidden: '


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            'error looking up service account ns/runner: serviceaccount "runner" not found',
            "ServiceAccountNotFound",
        ),
        ("no PriorityClass with name urgent was found", "PriorityClassNotFound"),
        ('pod rejected: RuntimeClass "nvidia" not found', "RuntimeClassNotFound"),
        (
            "exceeded quota: gpus, requested: requests.nvidia.com/gpu=4, used: "
            "requests.nvidia.com/gpu=6, limited: requests.nvidia.com/gpu=8",
            "QuotaExceeded",
        ),
        ('violates PodSecurity "restricted:latest": seccompProfile', "PodSecurityViolated"),
        ("maximum cpu usage per Container is 2, but limit is 4", "LimitRangeViolated"),
        ("maximum memory usage per Pod is 1Gi, but limit is 8Gi", "LimitRangeViolated"),
        (
            "[minimum cpu usage per Container is 1, but request is 500m, minimum memory usage per "
            "Container is 1Gi. No request is specified]",
            "LimitRangeViolated",
        ),
        ("minimum memory usage per Pod is 1Gi, but request is 1Mi", "LimitRangeViolated"),
        ("failed quota: all: must specify limits.cpu for: worker", "QuotaExceeded"),
    ],
)
def test_a_job_without_pods_has_the_reason_of_its_events(message: str, expected: str) -> None:
    """The Events about pods are among other Events of the Job."""
    events = [
        EventRecord("Suspended", "Job suspended"),
        EventRecord("FailedCreate", FORBIDDEN + message),
        EventRecord("FailedCreate", "earlier"),
    ]
    found = why_no_pods(events)
    assert found is not None
    assert (found.reason, found.stalled) == (expected, True)
    assert found.message.startswith(FORBIDDEN + message)


def test_a_failed_creation_before_a_success_is_ignored() -> None:
    events = [
        EventRecord("SuccessfulCreate", "Created pod: run-respond-abc-0-x"),
        EventRecord("FailedCreate", FORBIDDEN + "exceeded quota: gpus"),
    ]
    assert why_no_pods(events) is None


@pytest.mark.parametrize(
    "message",
    [
        "maximum nvidia.com/gpu usage per Container is 1, but limit is 2",
        "maximum ephemeral-storage usage per Container is 1Gi, but limit is 2Gi",
        "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
    ],
)
def test_limit_ranges_apply_to_all_resources(message: str) -> None:
    found = why_no_pods([EventRecord("FailedCreate", FORBIDDEN + message)])
    assert found is not None
    assert found.reason == "LimitRangeViolated"


@pytest.mark.parametrize("events", [[], [EventRecord("Suspended", "Job suspended")]])
def test_a_job_without_failed_creations_has_no_reason(events: list[EventRecord]) -> None:
    assert why_no_pods(events) is None
