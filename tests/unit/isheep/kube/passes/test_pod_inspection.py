"""The inspection of pods: its requests, and what it observes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from isheep.contract.order import Outcome, StageResult, StepResult, dump_result
from isheep.kube.cache.records import JobRecord
from isheep.kube.client import ApiError, ApiUnreachableError
from isheep.kube.passes.attempts import PodObservation
from isheep.kube.passes.pod_inspection import PodInspector
from isheep.kube.passes.unseen_pods import GRACE
from isheep.planner.types import Action, FailedPod, JobWalk, Stop, Waiting

from ..builders import a_job, at, condition, pod_json, result_text, terminated
from ..fake_api_server import FakeApiServer, fail_every
from ..fake_cluster import PODS
from ..virtual_time import START, run_in_virtual_time

EVENTS = "/api/v1/namespaces/ns/events"
NOW = START + timedelta(seconds=500)
WORKING = {"active": 1, "ready": 1, "startTime": at(3)}
STARTING = {"active": 2, "ready": 1}
COMPLETE = {"conditions": [condition("Complete")]}


def inspect(
    job: JobRecord,
    *,
    pods: list[dict[str, Any]] | None = None,
    events: list[dict[str, Any]] | None = None,
    before: PodObservation | None = None,
    server: FakeApiServer | None = None,
) -> tuple[PodObservation, list[tuple[str, str]]]:
    """Inspect a Job; return the observation and the API requests."""
    server = server or FakeApiServer()

    async def run_inspection() -> PodObservation:
        for pod in pods or []:
            pod["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": job.uid}
            server.put(PODS, pod)
        for number, event in enumerate(events or []):
            server.put(EVENTS, {"metadata": {"name": f"e{number}"}, **event})
        return await PodInspector(server).inspect(job, before, NOW)  # type: ignore[arg-type]

    return run_in_virtual_time(run_inspection()), server.requests


def running(name: str = "p", address: str | None = "10.0.0.1", **fields: Any) -> dict[str, Any]:
    ip = {} if address is None else {"podIP": address}
    state = {"running": {"startedAt": at(fields.pop("since", 10))}}
    return pod_json(name, phase="Running", state=state, **ip, **fields)


def test_the_results_of_an_ended_job_are_read() -> None:
    pods = [
        pod_json("a", phase="Succeeded", state=terminated(0, result_text()), index=0),
        pod_json("b", phase="Failed", state=terminated(1, "boom", startedAt=at(3)), index=1),
    ]
    observation, _ = inspect(a_job(status=COMPLETE), pods=pods)
    assert observation.final
    assert (len(observation.ending.results), observation.ending.pod) == (1, "b")
    assert observation.started == START + timedelta(seconds=3)
    assert (observation.at, observation.polled) == (NOW, None)


def test_only_the_pods_of_the_job_are_read() -> None:
    server = FakeApiServer()
    other = pod_json("other", phase="Failed", state=terminated(1))

    async def put() -> None:
        other["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": "another"}
        server.put(PODS, other)

    run_in_virtual_time(put())
    observation, _ = inspect(a_job(status=COMPLETE), server=server)
    assert (observation.final, observation.ending.pod) == (True, None)


def test_the_pod_that_failed_last_is_in_the_observation_of_a_job_that_goes_on() -> None:
    gone = result_text(Outcome.FAILED, exit_code=69, reason="StoreUnreachable", message="gone")
    pods = [
        pod_json("a", phase="Failed", state=terminated(69, gone, finishedAt=at(20))),
        pod_json("b", phase="Failed", state=terminated(1, "boom", finishedAt=at(9)), index=1),
        pod_json("c", phase="Failed", state=terminated(143, finishedAt=at(30)), index=2),
        creating("d"),
    ]
    observation, _ = inspect(a_job(status={**STARTING, "failed": 2}), pods=pods)
    assert (observation.failed_pods, observation.final) == (2, False)
    assert observation.failed_pod == FailedPod("a", "StoreUnreachable", "gone")


def event(reason: str, message: str, uid: str, **times: Any) -> dict[str, Any]:
    return {"involvedObject": {"uid": uid}, "reason": reason, "message": message, **times}


def test_the_reason_for_missing_pods_is_read_from_the_events_of_the_job() -> None:
    job = a_job()
    events = [
        event("FailedCreate", "exceeded quota: a", job.uid, lastTimestamp=at(5)),
        event("FailedCreate", 'serviceaccount "b" not found', job.uid, lastTimestamp=at(9)),
        event("FailedCreate", "violates PodSecurity", "another", lastTimestamp=at(50)),
    ]
    observation, requests = inspect(job, events=events)
    assert observation.waiting is not None
    assert observation.waiting.reason == "ServiceAccountNotFound"
    assert requests == [("GET", PODS), ("GET", EVENTS)]


@pytest.mark.parametrize(
    "times",
    [
        ({"firstTimestamp": at(5)}, {"firstTimestamp": at(9)}),
        (
            {"lastTimestamp": at(5), "firstTimestamp": at(1)},
            {"eventTime": at(9), "lastTimestamp": None},
        ),
        ({}, {"lastTimestamp": at(9)}),
    ],
    ids=["firstTimestamp", "eventTime", "no time"],
)
def test_the_latest_event_is_read_first(times: tuple[dict[str, Any], dict[str, Any]]) -> None:
    job = a_job()
    early = event("FailedCreate", "exceeded quota: a", job.uid, **times[0])
    late = event("FailedCreate", "violates PodSecurity", job.uid, **times[1])
    for events in ([early, late], [late, early]):
        waiting = inspect(job, events=events)[0].waiting
        assert waiting is not None
        assert waiting.reason == "PodSecurityViolated"


def creating(name: str = "a") -> dict[str, Any]:
    return pod_json(name, state={"waiting": {"reason": "ContainerCreating"}})


def test_the_reason_for_a_waiting_pod_is_read_from_the_events_of_the_pod() -> None:
    events = [event("FailedMount", 'configmap "prompts" not found', "uid of a")]
    observation, _ = inspect(a_job(status=STARTING), pods=[creating()], events=events)
    assert observation.waiting is not None
    assert observation.waiting.reason == "ConfigMapNotFound"
    observation, _ = inspect(a_job(status=STARTING), pods=[creating("b")], events=events)
    assert observation.waiting is not None
    assert observation.waiting.reason == "Starting"


def test_the_reason_for_a_pod_that_the_scheduler_ignores_is_read_from_its_events() -> None:
    message = 'PodResourceClaim gpu: resource claim template "large": not found'
    events = [event("FailedResourceClaimCreation", message, "uid of a")]
    pod = {**pod_json("a"), "spec": {"resourceClaims": [{"name": "gpu"}]}}
    observation, _ = inspect(a_job(status=STARTING), pods=[pod], events=events)
    assert observation.waiting is not None
    assert observation.waiting.reason == "ResourceClaimNotCreated"
    assert observation.waiting.message.startswith(message)
    observation, _ = inspect(a_job(status=STARTING), pods=[pod])
    assert observation.waiting is None
    placed = {**pod, "spec": {"nodeName": "gpu-7"}}
    observation, requests = inspect(a_job(status=STARTING), pods=[placed], events=events)
    assert (observation.waiting, requests) == (None, [("GET", PODS)])


def test_a_pod_that_no_scheduler_looks_at_and_a_job_without_pods_have_a_reason() -> None:
    pod = {**pod_json("a"), "spec": {"schedulerName": "volcano"}}
    job = a_job(status=STARTING)
    first, _ = inspect(job, pods=[pod])
    assert (first.waiting, first.unseen) == (None, ("uid of a", NOW))
    earlier = replace(first, unseen=("uid of a", NOW - GRACE))
    observation, _ = inspect(job, pods=[pod], before=earlier)
    assert observation.waiting is not None
    assert 'the scheduler "volcano" says nothing' in observation.waiting.message
    without_pods = replace(first, unseen=(job.uid, NOW - GRACE))
    observation, _ = inspect(a_job(), before=without_pods)
    assert observation.waiting is not None
    assert observation.waiting.reason == "PodsNotCreated"
    # Pods that Kueue has stopped and starts again later get the grace again.
    suspended = a_job(spec={"suspend": True})
    observation, _ = inspect(suspended, before=earlier)
    assert observation.unseen is None


def test_a_job_whose_other_containers_have_failed_is_final_with_its_results() -> None:
    pod = pod_json("a", phase="Failed", state=terminated(0, result_text()))
    pod["status"]["containerStatuses"][0]["state"] = terminated(1)
    observation, _ = inspect(a_job(status={"failed": 1}), pods=[pod])
    assert observation.final
    assert observation.lingers_since == START + timedelta(seconds=60)
    assert (len(observation.ending.results), observation.ending.pod) == (1, None)


def test_events_are_not_read_if_the_pod_has_the_reason() -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "a" not found'}
    observation, requests = inspect(
        a_job(status=STARTING), pods=[pod_json("a", state={"waiting": waiting})]
    )
    assert observation.waiting is not None
    assert observation.waiting.reason == "SecretNotFound"
    assert requests == [("GET", PODS)]


def test_the_inspection_continues_if_events_may_not_be_read() -> None:
    server = FakeApiServer()

    def reject(method: str, path: str) -> None:
        if path == EVENTS:
            raise ApiError(403, "Forbidden", "no", ())

    server.fault = reject
    observation, _ = inspect(a_job(status=STARTING), pods=[creating()], server=server)
    assert observation.waiting is not None
    assert not observation.waiting.stalled


def test_an_unreachable_api_server_is_raised() -> None:
    server = FakeApiServer()
    server.fault = fail_every(1, after=False)
    with pytest.raises(ApiUnreachableError):
        inspect(a_job(status=COMPLETE), server=server)


STEP = {"id": "i1/curate/r1", "key": "k" * 64, "statistics": {"accepted": 12.0}}


def test_the_results_of_pods_that_have_walked_to_the_end_are_read_before_the_job_ends() -> None:
    walk = {"grouping": "PerRole", "claim": "c" * 64, "settings_digest": "d"}
    job = replace(
        a_job(status={"active": 1, "ready": 0}, spec={"parallelism": 2}), walk=JobWalk(**walk)
    )
    result = StageResult(outcome=Outcome.COMMITTED, steps=(StepResult(**STEP),))
    ended = pod_json(
        "a",
        phase="Succeeded",
        state={"terminated": {"exitCode": 0, "message": dump_result(result)}},
    )
    observation, _ = inspect(job, pods=[ended, creating("b")])
    assert observation.ending.results == (result,)
    assert not observation.final


def test_an_observation_has_its_time_and_the_earliest_start() -> None:
    observation, _ = inspect(
        a_job(status=WORKING), pods=[running(since=30), running("b", since=20)]
    )
    assert observation.started == datetime.fromisoformat(at(20))
    assert replace(observation, address=None).at == NOW


BEFORE = PodObservation(
    at=START,
    address="10.0.0.9",
    started=START,
    waiting=Waiting("Starting", "p", stalled=False),
    items_done=1,
    items_total=9,
)


def test_the_pod_that_answered_is_polled_again_without_a_request() -> None:
    observation, requests = inspect(a_job(status=WORKING), before=BEFORE)
    assert requests == []
    assert observation == replace(BEFORE, polled=NOW, waiting=None)


@pytest.mark.parametrize(
    ("before", "status"),
    [(replace(BEFORE, address=None, silent=1), WORKING), (BEFORE, {**WORKING, "failed": 1})],
    ids=["the pod did not answer", "a pod failed"],
)
def test_the_pods_are_listed_again(before: PodObservation, status: dict[str, Any]) -> None:
    observation, requests = inspect(a_job(status=status), pods=[running()], before=before)
    assert requests == [("GET", PODS)]
    assert (observation.address, observation.polled) == ("10.0.0.1", NOW)
    assert (observation.items_done, observation.silent) == (1, before.silent)


def with_gpu(**fields: Any) -> JobRecord:
    limits = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
    template = {"spec": {"containers": [{"name": "worker", **limits}]}}
    return a_job(spec={"template": template, **fields.pop("spec", {})}, **fields)


def accepted(pod: dict[str, Any], seconds: int = 4) -> dict[str, Any]:
    pod["status"]["startTime"] = at(seconds)
    return pod


def test_the_pods_of_a_job_with_gpus_are_listed_until_all_are_known() -> None:
    job = with_gpu(status=WORKING)
    first, requests = inspect(job, pods=[accepted(running())], before=BEFORE)
    assert requests == [("GET", PODS)]
    assert first.pods is not None
    assert [(pod.started, pod.until, pod.ended) for pod in first.pods] == [
        (START + timedelta(seconds=4), NOW, False)
    ]
    earlier = replace(first, pods=(replace(first.pods[0], until=START),))
    later, requests = inspect(job, before=earlier)
    assert requests == []
    # Only an answer of the pod shows that it still works.
    assert later.pods == earlier.pods


def test_the_pods_of_a_preempted_job_hold_their_gpus_until_they_have_ended() -> None:
    before, _ = inspect(with_gpu(status=WORKING), pods=[accepted(running())])
    suspended = with_gpu(spec={"suspend": True})
    stopping, _ = inspect(suspended, pods=[accepted(running())], before=before)
    assert stopping.pods == before.pods
    gone, _ = inspect(suspended, before=stopping)
    assert gone.pods is not None
    assert [(pod.until, pod.ended) for pod in gone.pods] == [(NOW, True)]
    again, requests = inspect(suspended, before=gone)
    assert again.pods == gone.pods
    assert ("GET", PODS) not in requests


def test_only_jobs_that_stop_with_unknown_pods_are_inspected_before() -> None:
    server = FakeApiServer()
    job = with_gpu(status=WORKING)
    stop, other = Stop(job.name, "suspended"), Stop("another", "suspended")

    async def look(*actions: Action, known: PodObservation | None = None) -> int:
        pod = accepted(running())
        pod["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": job.uid}
        server.objects.clear()
        server.put(PODS, pod)
        inspector = PodInspector(server)  # type: ignore[arg-type]
        seen = {} if known is None else {job.uid: known}
        found = await inspector.inspect_before_stops([job], actions, seen, NOW)
        return sum(len(one.pods or ()) for one in found.values())

    assert run_in_virtual_time(look(stop)) == 1
    assert run_in_virtual_time(look(other)) == 0
    known, _ = inspect(job, pods=[accepted(running())])
    assert run_in_virtual_time(look(stop, known=known)) == 0

    def refuse(method: str, path: str) -> None:
        raise ApiError(403, "", "no", ())

    server.fault = refuse
    assert run_in_virtual_time(look(stop)) == 0, "a Job stops although its pods cannot be listed"


def test_pods_that_are_not_ready_are_not_polled() -> None:
    observation, _ = inspect(a_job(status=STARTING), pods=[running()], before=BEFORE)
    assert (observation.address, observation.polled) == (None, None)


def test_a_job_with_only_other_containers_ends_after_a_warning_and_a_minute() -> None:
    def job() -> tuple[JobRecord, list[dict[str, Any]]]:
        ended = terminated(0, result_text(), finishedAt=at(430))
        return a_job(status=STARTING), [pod_json("a", phase="Running", state=ended)]

    first, _ = inspect(job()[0], pods=job()[1])
    assert first.waiting is not None
    assert (first.waiting.reason, first.final) == ("SidecarRunning", False)
    second, _ = inspect(job()[0], pods=job()[1], before=first)
    assert (second.final, len(second.ending.results), second.ending.pod) == (True, 1, None)
    assert second.lingers_since == datetime.fromisoformat(at(430))
    # The other containers get a minute to end by themselves.
    ended = terminated(0, result_text(), finishedAt=at(460))
    pods = [pod_json("a", phase="Running", state=ended)]
    assert not inspect(job()[0], pods=pods, before=first)[0].final
