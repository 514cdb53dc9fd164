"""Rejections: their reasons, their delays, and the attempt that the planner gets for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from isheep.contract.reasons import Reason
from isheep.kube.client import ApiError
from isheep.kube.passes.rejections import (
    DELAYS,
    Rejections,
    job_conflict_message,
    reason_of,
    service_conflict_message,
)
from isheep.planner.types import AttemptState, StageRef, Waiting

from ..builders import a_start, a_step
from ..virtual_time import START


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ApiError(500, "InternalError", 'failed calling webhook "a": refused', ()),
            "WebhookFailed",
        ),
        (ApiError(504, "Timeout", "request did not complete", ()), "WebhookFailed"),
        (ApiError(500, "", 'admission webhook "a" denied the request: no', ()), "JobForbidden"),
        (
            ApiError(
                403,
                "Forbidden",
                'jobs.batch "a" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, '
                "used: count/jobs.batch=9, limited: count/jobs.batch=9",
                (),
            ),
            "QuotaExceeded",
        ),
        (
            ApiError(
                403,
                "Forbidden",
                'jobs.batch "a" is forbidden: unable to create new content in namespace ns because '
                "it is being terminated",
                ("NamespaceTerminating",),
            ),
            "NamespaceTerminating",
        ),
        (
            ApiError(
                403,
                "Forbidden",
                'jobs.batch is forbidden: User "system:serviceaccount:system:isheep" cannot create '
                'resource "jobs" in API group "batch" in the namespace "ns"',
                (),
            ),
            "JobForbidden",
        ),
        (
            ApiError(
                403,
                "Forbidden",
                "jobs.batch \"a\" is forbidden: ValidatingAdmissionPolicy 'images' with binding "
                "'images' denied request: this image is not allowed",
                (),
            ),
            "JobForbidden",
        ),
        (
            ApiError(422, "Invalid", 'Job.batch "a" is invalid: spec', ("FieldValueInvalid",)),
            "JobInvalid",
        ),
        (ApiError(400, "BadRequest", "admission webhook denied the request", ()), "JobInvalid"),
        (ApiError(404, "NotFound", 'namespaces "ns" not found', ()), "NamespaceTerminating"),
    ],
    ids=[
        "webhook does not answer",
        "webhook is slow",
        "webhook denies with its own status",
        "quota",
        "terminating namespace",
        "RBAC",
        "policy",
        "invalid",
        "webhook",
        "no namespace",
    ],
)
def test_a_rejected_job_has_its_reason(error: ApiError, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_rejected_service_has_its_reason() -> None:
    assert reason_of(ApiError(403, "Forbidden", "services is forbidden", ()), "Service") == (
        "ServiceForbidden"
    )
    assert reason_of(ApiError(422, "Invalid", "no", ()), "Service") == "ServiceInvalid"
    quota = ApiError(403, "Forbidden", "services is forbidden: exceeded quota: a", ())
    assert reason_of(quota, "Service") == "QuotaExceeded"


@pytest.mark.parametrize(
    ("times", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (1000, 60)]
)
def test_the_delay_of_a_rejection_grows_with_each_repetition(times: int, seconds: int) -> None:
    rejections = Rejections()
    for _ in range(times):
        rejection = rejections.add("a", a_start(), Reason.JOB_INVALID, "m", START)
    assert (rejection.since, rejection.until) == (START, START + timedelta(seconds=seconds))
    assert rejection.times == times
    assert sorted(DELAYS) == list(DELAYS)


def test_the_attempt_of_a_rejection_occupies_its_stage_and_waits() -> None:
    steps = (a_step("respond", key="a"), a_step("assess", key="b"))
    start = a_start(steps=steps, attempt=3)
    rejection = Rejections().add("name", start, Reason.QUOTA_EXCEEDED, " no \n  more", START)
    attempt = rejection.attempt()
    assert (attempt.name, attempt.number, attempt.state) == ("name", 3, AttemptState.ACTIVE)
    assert attempt.steps == (StageRef("i1/respond", "a"), StageRef("i1/assess", "b"))
    assert (attempt.created, attempt.finished, attempt.results) == (START, None, ())
    assert attempt.waiting == Waiting("QuotaExceeded", "no more", stalled=True)


@pytest.mark.parametrize(("seconds", "waits"), [(-1, False), (0, True), (4, True), (5, False)])
def test_a_wait_ends_at_its_time_and_if_the_clock_is_set_back(seconds: int, waits: bool) -> None:
    rejections = Rejections()
    rejections.add(
        "job", a_start(steps=(a_step("respond", key="a"),)), "QuotaExceeded", "no", START
    )
    now = START + timedelta(seconds=seconds)
    assert bool(rejections.attempts(now)) is waits
    rejections.drop_over(now, None)
    assert bool(rejections.due()) is waits


@pytest.mark.parametrize(("asked", "left", "times"), [(1, 1, 2), (2, 0, 1)])
def test_a_person_who_asks_for_more_ends_all_waits(asked: int, left: int, times: int) -> None:
    rejections = Rejections()
    rejections.drop_over(START, 1)
    rejections.add("job", a_start(), Reason.QUOTA_EXCEEDED, "no", START)
    rejections.drop_over(START, asked)
    assert len(rejections.attempts(START)) == left
    assert rejections.add("job", a_start(), Reason.QUOTA_EXCEEDED, "no", START).times == times


def test_the_message_of_a_rejection_has_a_limited_length() -> None:
    rejection = Rejections().add("a", a_start(), Reason.JOB_INVALID, "x" * 5000, START)
    assert rejection.message == "x" * 800


@pytest.mark.parametrize("message_of", [job_conflict_message, service_conflict_message])
def test_the_message_about_a_conflict_contains_the_remedy(message_of: Callable[[str], str]) -> None:
    message = message_of("run-respond-abc")
    assert "run-respond-abc" in message
    assert "Delete it" in message
