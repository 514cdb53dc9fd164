"""Records of runs and Jobs from the JSON of the API server, also after edits by other users."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from isheep.api.run import RETRY_ANNOTATION
from isheep.kube.cache.partial_runs import partial_status
from isheep.kube.cache.records import job_record, our_run, run_record, timestamp
from isheep.planner.types import StageRef

from ..builders import RUN_UID, a_job, a_run, at, condition, job_json, run_json


def test_the_record_of_a_run_has_the_fields_of_its_document() -> None:
    record = a_run(
        generation=3,
        resourceVersion="4711",
        annotations={"isheep.dev/retry": "again", "other": "x"},
        labels={
            "kueue.x-k8s.io/queue-name": "gpus",
            "kueue.x-k8s.io/priority-class": "high",
            "team": "a",
        },
        status={"observedGeneration": 3, "phase": "Running"},
    )
    assert (record.namespace, record.name, record.uid) == ("ns", "run", RUN_UID)
    assert (record.resource_version, record.generation) == (4711, 3)
    assert record.created == datetime(2026, 1, 1, tzinfo=UTC)
    assert (record.deleting, record.phase, record.retry) == (False, "Running", "again")
    assert record.kueue_labels == {
        "kueue.x-k8s.io/queue-name": "gpus",
        "kueue.x-k8s.io/priority-class": "high",
    }


def test_the_view_of_a_run_has_its_spec_and_its_status() -> None:
    view = a_run(
        generation=3,
        annotations={"isheep.dev/retry": "again"},
        deletionTimestamp=at(5),
        status={"observedGeneration": 2, "phase": "Stalled", "newerField": 1},
    ).view()
    assert (view.namespace, view.name, view.uid, view.generation) == ("ns", "run", RUN_UID, 3)
    assert view.spec == run_json()["spec"]
    assert (view.status.observed_generation, view.status.phase) == (2, "Stalled")
    assert view.annotations == {"isheep.dev/retry": "again"}
    assert view.deleting
    assert view.created == datetime(2026, 1, 1, tzinfo=UTC)
    assert a_run().view().annotations == {}
    assert not a_run().view().deleting


@pytest.mark.parametrize("missing", [{}, None], ids=["empty", "null"])
def test_a_run_without_status_labels_and_annotations_has_defaults(missing: Any) -> None:
    document = run_json(labels=missing, annotations=missing)
    document["status"] = missing
    record = run_record(document)
    assert (record.phase, record.retry, record.kueue_labels) == ("Pending", None, {})
    assert record.view().status.observed_generation == -1
    for member in ("status", "spec"):
        document.pop(member)
    assert json.loads(run_record(document).status) == json.loads(run_record(document).spec) == {}


def test_a_status_that_cannot_be_parsed_is_raised_by_the_view() -> None:
    record = a_run(status={"observedGeneration": "three"})
    with pytest.raises(ValidationError):
        record.view()


def test_the_record_of_a_new_job_has_its_identity_and_no_times() -> None:
    record = job_record(
        job_json(
            steps=(("i1/respond", "a"), ("i1/assess", "b")), labels={"isheep.dev/attempt": "7"}
        )
    )
    assert (record.namespace, record.name, record.uid) == ("ns", "run-respond-abc", "job-1")
    assert (record.resource_version, record.run_uid, record.number) == (20, RUN_UID, 7)
    assert record.steps == (StageRef("i1/respond", "a"), StageRef("i1/assess", "b"))
    assert record.created == datetime(2026, 1, 1, tzinfo=UTC)
    assert (record.started, record.finished) == (None, None)
    assert (record.deleting, record.suspended, record.queued) == (False, False, False)
    assert (record.active, record.ready, record.failed_pods) == (0, 0, 0)
    assert (record.complete, record.failed, record.message) == (False, False, "")


def test_the_record_of_a_running_job_has_its_counts() -> None:
    record = a_job(
        spec={"parallelism": 4, "suspend": False},
        status={
            "startTime": at(3),
            "active": 4,
            "ready": 2,
            "failed": 3,
            "terminating": 0,
            "uncountedTerminatedPods": {},
        },
    )
    assert (record.parallelism, record.active, record.ready) == (4, 4, 2)
    assert record.failed_pods == 3
    assert record.started == datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)
    assert record.finished is None


@pytest.mark.parametrize(
    ("suspended", "conditions", "started"),
    [
        (False, [], datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)),
        (True, [], None),
        # Somebody suspends a Job that has ended, which changes nothing.
        (True, [condition("Complete")], datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)),
    ],
    ids=["at work", "suspended", "ended"],
)
def test_a_suspended_job_has_not_started_although_older_versions_keep_the_time(
    suspended: bool, conditions: list[dict[str, Any]], started: datetime | None
) -> None:
    status = {"startTime": at(3), "conditions": conditions}
    assert a_job(spec={"suspend": suspended}, status=status).started == started


@pytest.mark.parametrize(
    ("conditions", "completion", "complete", "failed", "finished"),
    [
        ([], None, False, False, None),
        # The controller sets these conditions first, and ends the Job after the end of its pods.
        ([condition("SuccessCriteriaMet")], None, False, False, None),
        ([condition("FailureTarget")], None, False, False, None),
        ([condition("Suspended"), condition("FailureTarget")], None, False, False, None),
        ([condition("Complete", "False")], None, False, False, None),
        ([condition("Failed", "Unknown")], None, False, False, None),
        # Only the conditions Complete and Failed end a Job.
        ([condition("SuccessCriteriaMet")], 70, False, False, None),
        ([condition("SuccessCriteriaMet"), condition("Complete")], 80, True, False, 80),
        ([condition("FailureTarget"), condition("Failed")], None, False, True, 90),
    ],
    ids=[
        "no condition",
        "SuccessCriteriaMet",
        "FailureTarget",
        "Suspended and FailureTarget",
        "Complete is False",
        "Failed is Unknown",
        "completion time only",
        "complete",
        "failed",
    ],
)
def test_a_job_has_ended_if_it_is_complete_or_failed(
    conditions: list[dict[str, Any]],
    completion: int | None,
    complete: bool,
    failed: bool,
    finished: int | None,
) -> None:
    status: dict[str, Any] = {"conditions": conditions}
    if completion is not None:
        status["completionTime"] = at(completion)
    record = a_job(status=status)
    assert (record.complete, record.failed) == (complete, failed)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert record.finished == (None if finished is None else start + timedelta(seconds=finished))


def test_the_message_of_a_failed_job_is_that_of_its_condition() -> None:
    message = "Job was active longer than specified deadline"
    ends = [
        condition("FailureTarget", message="first"),
        condition("Failed", reason="DeadlineExceeded", message=message),
    ]
    assert a_job(status={"conditions": ends}).message == message
    assert a_job(status={"conditions": [condition("Complete", message="done")]}).message == ""


@pytest.mark.parametrize(
    "annotation",
    [
        "",
        "null",
        "5",
        "{}",
        "nonsense",
        "[",
        "[1]",
        "[null]",
        '["i1/respond"]',
        '[{"id": "i1/respond"}]',
        '[{"id": "i1/respond", "key": "a"}, {"key": "b"}]',
    ],
)
def test_a_job_whose_steps_cannot_be_parsed_has_no_steps(annotation: str) -> None:
    assert a_job(annotations={"isheep.dev/steps": annotation}).steps == ()


@pytest.mark.parametrize(
    "annotation",
    [
        "[" * 100_000,
        '[{"id": "i1/respond", "key": []}]',
        '[{"id": {}, "key": "a"}]',
        '[{"id": 1, "key": "a"}]',
        '[{"id": "i1/respond", "key": null}]',
    ],
    ids=["deeply nested", "list", "object", "number", "null"],
)
def test_a_job_whose_steps_are_not_text_has_no_steps(annotation: str) -> None:
    assert a_job(annotations={"isheep.dev/steps": annotation}).steps == ()


def test_a_job_without_labels_and_annotations_has_defaults() -> None:
    document = job_json()
    for member in ("labels", "annotations"):
        document["metadata"][member] = None
    document.pop("status")
    record = job_record(document)
    assert (record.run_uid, record.steps, record.number) == ("", (), 0)


@pytest.mark.parametrize(
    ("manager", "is_ours"),
    [(None, True), ("isheep.dev/operator", True), ("example.com/manager", False)],
)
def test_a_run_of_another_manager_has_no_record(manager: str | None, is_ours: bool) -> None:
    document = run_json()
    if manager is not None:
        document["spec"]["managedBy"] = manager
    assert (our_run(document) is not None) is is_ours


@pytest.mark.parametrize(
    ("label", "number"),
    [("1", 1), ("12", 12), ("", 0), ("-1", 0), ("one", 0), ("1.5", 0), ("0x1", 0)],
)
def test_the_number_of_an_attempt_is_that_of_its_label(label: str, number: int) -> None:
    assert a_job(labels={"isheep.dev/attempt": label}).number == number


@pytest.mark.parametrize(
    ("fields", "deleting", "suspended", "queued"),
    [
        ({}, False, False, False),
        ({"deletionTimestamp": at(9)}, True, False, False),
        ({"spec": {"suspend": True}}, False, True, False),
        ({"labels": {"kueue.x-k8s.io/queue-name": "q"}}, False, False, True),
        ({"labels": {"x-kueue.x-k8s.io/queue-name": "q"}}, False, False, False),
    ],
    ids=["no field", "deleting", "suspended", "queued", "another label"],
)
def test_a_job_can_be_deleting_suspended_or_queued(
    fields: dict[str, Any], deleting: bool, suspended: bool, queued: bool
) -> None:
    record = a_job(**fields)
    assert (record.deleting, record.suspended, record.queued) == (deleting, suspended, queued)


@pytest.mark.parametrize("parallelism", [0, None])
def test_a_job_without_parallelism_has_parallelism_0(parallelism: int | None) -> None:
    assert a_job(spec={"parallelism": parallelism}).parallelism == 0


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.678901Z", datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (
            "2026-01-02T03:04:05+02:00",
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
    ids=["seconds", "microseconds", "no zone", "another zone"],
)
def test_a_time_has_its_zone(text: str, time: datetime) -> None:
    assert timestamp(text) == time
    assert timestamp(text).tzinfo is not None


def resting(phase: str = "Succeeded", **status: Any) -> dict[str, Any]:
    return {"observedGeneration": 1, "phase": phase, **status}


@pytest.mark.parametrize(
    ("fields", "rests"),
    [
        ({"status": resting("Succeeded")}, True),
        ({"status": resting("Failed")}, True),
        ({"status": resting("Suspended")}, True),
        ({"status": resting("Running")}, False),
        ({"status": resting("Stalled")}, False),
        ({"status": resting("Succeeded"), "generation": 2}, False),
        ({"status": resting("Failed"), "annotations": {RETRY_ANNOTATION: "1"}}, False),
        (
            {
                "status": resting("Failed", lastHandledRetry="1"),
                "annotations": {RETRY_ANNOTATION: "1"},
            },
            True,
        ),
        ({"status": resting("Failed"), "deletionTimestamp": at(9)}, False),
        ({}, False),
    ],
)
def test_the_record_of_a_run_that_rests_has_a_digest_and_no_spec(
    fields: dict[str, Any], rests: bool
) -> None:
    document = run_json(**fields)
    record, whole = run_record(document), run_record(document, whole=True)
    assert (record.rests, bool(record.spec), bool(record.status)) == (rests, not rests, not rests)
    assert whole.spec
    assert whole.digest == record.digest
    document["spec"] = {**document["spec"], "language": "de"}
    assert (run_record(document).digest != record.digest) is rests


def large_run() -> dict[str, Any]:
    """Return a run with a large spec, a store, a pinned spec and a stage."""
    document = run_json(status=resting("Running"))
    document["spec"]["storage"] = {"s3": {"bucket": "b"}}
    document["spec"]["compute"] = {"inference": {"env": [{"name": "A", "value": "x" * 40_000}]}}
    document["status"]["resolved"] = {"spec": document["spec"]}
    document["status"]["stages"] = [{"id": "prepare", "key": "k", "attempts": 1}]
    return document


def test_the_record_of_a_large_run_has_only_what_other_runs_need() -> None:
    document = large_run()
    record, whole = run_record(document), run_record(document, whole=True)
    assert (record.partial, whole.partial) == (True, False)
    assert json.loads(record.spec) == {"storage": {"s3": {"bucket": "b"}}}
    assert json.loads(record.status) == partial_status(document["status"])
    assert [stage.key for stage in record.view().status.stages] == ["k"]
    assert json.loads(whole.spec) == document["spec"]
    assert whole.kept() == record
    assert record.kept() == record


def test_a_change_of_a_large_run_changes_its_record() -> None:
    document = large_run()
    before = run_record(document)
    document["status"]["resolved"]["spec"]["language"] = "de"
    after = run_record(document)
    assert (after.spec, after.status) == (before.spec, before.status)
    assert after != before


def test_the_record_of_a_usual_run_is_whole() -> None:
    record = run_record(run_json(status=resting("Running")))
    assert not record.partial
    assert record.kept() is record
