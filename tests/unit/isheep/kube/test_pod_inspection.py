"""Looking at pods: what is asked of whom, and that no pod's answer is believed too much."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from isheep.kube.attempts import PodObservation
from isheep.kube.client import ApiError, ApiUnreachableError
from isheep.kube.pod_inspection import PodInspector
from isheep.kube.records import JobRecord
from isheep.planner.types import Waiting

from .builders import a_job, at, condition, pod_json, result_text, terminated
from .fake_api_server import FakeApiServer, fail_every
from .fake_cluster import PODS, FakeSession
from .virtual_time import START, run_in_virtual_time

EVENTS = "/api/v1/namespaces/ns/events"
NOW = START + timedelta(seconds=500)
WORKING = {"active": 1, "ready": 1, "startTime": at(3)}
STARTING = {"active": 2, "ready": 1}
COMPLETE = {"conditions": [condition("Complete")]}


def looked(
    job: JobRecord,
    *,
    pods: list[dict[str, Any]] | None = None,
    events: list[dict[str, Any]] | None = None,
    before: PodObservation | None = None,
    answer: Any = None,
    server: FakeApiServer | None = None,
) -> tuple[PodObservation, list[str], list[tuple[str, str]]]:
    """Look at a Job; returns what is seen, who was asked, and the API server's requests."""
    server = server or FakeApiServer()
    session = FakeSession(lambda url: answer)

    async def look() -> PodObservation:
        for pod in pods or []:
            pod["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": job.uid}
            server.put(PODS, pod)
        for number, event in enumerate(events or []):
            server.put(EVENTS, {"metadata": {"name": f"e{number}"}, **event})
        pod_inspector = PodInspector(server, session)  # type: ignore[arg-type]
        return await pod_inspector.inspect(job, before, NOW)

    seen = run_in_virtual_time(look())
    return seen, session.urls, server.requests


def running(name: str = "p", address: str | None = "10.0.0.1", **fields: Any) -> dict[str, Any]:
    where = {} if address is None else {"podIP": address}
    state = {"running": {"startedAt": at(fields.pop("since", 10))}}
    return pod_json(name, phase="Running", state=state, **where, **fields)


def test_of_a_job_that_has_ended_the_results_are_read() -> None:
    pods = [
        pod_json("a", phase="Succeeded", state=terminated(0, result_text()), index=0),
        pod_json("b", phase="Failed", state=terminated(1, "boom", startedAt=at(3)), index=1),
    ]
    seen, asked, _ = looked(a_job(status=COMPLETE), pods=pods)
    assert seen.final
    assert (len(seen.ending.results), seen.ending.pod) == (1, "b")
    assert seen.started == START + timedelta(seconds=3)
    assert (seen.at, asked) == (NOW, [])


def test_only_the_jobs_own_pods_are_seen() -> None:
    server = FakeApiServer()
    other = pod_json("other", phase="Failed", state=terminated(1))

    async def put() -> None:
        other["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": "another"}
        server.put(PODS, other)

    run_in_virtual_time(put())
    seen, _, _ = looked(a_job(status=COMPLETE), server=server)
    assert (seen.final, seen.ending.pod) == (True, None)


def test_which_index_has_failed_is_kept() -> None:
    seen, _, _ = looked(a_job(status={**STARTING, "failedIndexes": "1,3"}))
    assert (seen.failed_indexes, seen.final) == ("1,3", False)


def event(reason: str, message: str, uid: str, **times: Any) -> dict[str, Any]:
    return {"involvedObject": {"uid": uid}, "reason": reason, "message": message, **times}


def test_why_there_are_no_pods_stands_in_the_jobs_events() -> None:
    job = a_job()
    events = [
        event("FailedCreate", "exceeded quota: a", job.uid, lastTimestamp=at(5)),
        event("FailedCreate", 'serviceaccount "b" not found', job.uid, lastTimestamp=at(9)),
        event("FailedCreate", "violates PodSecurity", "another", lastTimestamp=at(50)),
    ]
    seen, _, requests = looked(job, events=events)
    assert seen.waiting is not None
    assert seen.waiting.reason == "ServiceAccountNotFound"
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
    ids=["first", "event time", "none"],
)
def test_events_are_read_from_the_latest(times: tuple[dict[str, Any], dict[str, Any]]) -> None:
    job = a_job()
    early = event("FailedCreate", "exceeded quota: a", job.uid, **times[0])
    late = event("FailedCreate", "violates PodSecurity", job.uid, **times[1])
    for events in ([early, late], [late, early]):
        waiting = looked(job, events=events)[0].waiting
        assert waiting is not None
        assert waiting.reason == "PodSecurityViolated"


def creating(name: str = "a") -> dict[str, Any]:
    return pod_json(name, state={"waiting": {"reason": "ContainerCreating"}})


def test_why_a_pod_is_not_created_stands_in_its_own_events() -> None:
    events = [event("FailedMount", 'configmap "prompts" not found', "uid of a")]
    seen, _, _ = looked(a_job(status=STARTING), pods=[creating()], events=events)
    assert seen.waiting is not None
    assert seen.waiting.reason == "ConfigMapNotFound"
    seen, _, _ = looked(a_job(status=STARTING), pods=[creating("b")], events=events)
    assert seen.waiting is not None
    assert seen.waiting.reason == "Starting"


def test_events_are_not_asked_for_without_need() -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "a" not found'}
    seen, _, requests = looked(
        a_job(status=STARTING), pods=[pod_json("a", state={"waiting": waiting})]
    )
    assert seen.waiting is not None
    assert seen.waiting.reason == "SecretNotFound"
    assert requests == [("GET", PODS)]


def test_events_that_may_not_be_read_are_done_without() -> None:
    server = FakeApiServer()

    def refuse(method: str, path: str) -> None:
        if path == EVENTS:
            raise ApiError(403, "Forbidden", "no", ())

    server.fault = refuse
    seen, _, _ = looked(a_job(status=STARTING), pods=[creating()], server=server)
    assert seen.waiting is not None
    assert not seen.waiting.stalled


def test_an_api_server_that_does_not_answer_is_told() -> None:
    server = FakeApiServer()
    server.fault = fail_every(1, after=False)
    with pytest.raises(ApiUnreachableError):
        looked(a_job(status=COMPLETE), server=server)


# --- progress ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pods", "url"),
    [
        ([running()], "http://10.0.0.1:8080/progress"),
        ([running(address="fd00::7")], "http://[fd00::7]:8080/progress"),
        (
            [running("b", "10.0.0.2", index=1), running("a", index=0)],
            "http://10.0.0.1:8080/progress",
        ),
        ([running("a", None), running("b", "10.0.0.2", index=1)], "http://10.0.0.2:8080/progress"),
        ([running(deletionTimestamp=at(9))], None),
        ([creating()], None),
        ([], None),
    ],
    ids=["IPv4", "IPv6", "the first index", "no address", "going", "creating", "none"],
)
def test_one_pod_is_asked(pods: list[dict[str, Any]], url: str | None) -> None:
    answer = {"itemsDone": 3, "itemsTotal": 9}
    seen, asked, _ = looked(a_job(status=WORKING), pods=pods, answer=answer)
    assert asked == ([] if url is None else [url])
    assert (seen.items_done, seen.items_total) == ((None, None) if url is None else (3, 9))
    assert seen.polled == NOW


BEFORE = PodObservation(
    at=START,
    address="10.0.0.9",
    started=START,
    waiting=Waiting("Starting", "p", stalled=False),
    items_done=1,
    items_total=9,
)


def test_the_pod_that_answered_is_asked_again() -> None:
    answer = {"itemsDone": 3, "itemsTotal": 9}
    seen, asked, requests = looked(a_job(status=WORKING), before=BEFORE, answer=answer)
    assert asked == ["http://10.0.0.9:8080/progress"]
    assert requests == []
    assert (seen.items_done, seen.at, seen.polled, seen.waiting) == (3, START, NOW, None)
    assert seen.started == START


@pytest.mark.parametrize(
    "answer", [TimeoutError(), OSError(), aiohttp.ClientConnectionError(), b"<html>", b""]
)
def test_one_that_does_not_answer_is_looked_for(answer: Any) -> None:
    seen, asked, requests = looked(
        a_job(status=WORKING), pods=[running()], before=BEFORE, answer=answer
    )
    assert asked == ["http://10.0.0.9:8080/progress", "http://10.0.0.1:8080/progress"]
    assert requests == [("GET", PODS)]
    # It is not asked again at once.
    assert (seen.address, seen.polled) == ("10.0.0.1", NOW)


def test_pods_that_do_not_work_are_not_asked() -> None:
    _, asked, _ = looked(a_job(status=STARTING), pods=[running()], before=BEFORE, answer={})
    assert asked == []


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ({"itemsDone": 3, "itemsTotal": 9}, (3, 9)),
        ({"itemsDone": 0, "itemsTotal": 9}, (0, 9)),
        ({"itemsDone": 12, "itemsTotal": 9}, (9, 9)),
        ({"itemsDone": 3}, (3, None)),
        ({"itemsTotal": 9}, (None, 9)),
        ({}, (None, None)),
        ({"itemsDone": -1, "itemsTotal": 9}, (None, None)),
        ({"itemsDone": True, "itemsTotal": 9}, (None, None)),
        ({"itemsDone": 3.5, "itemsTotal": 9}, (None, None)),
        ({"itemsDone": "3", "itemsTotal": 9}, (None, None)),
        ({"itemsDone": 2**70, "itemsTotal": 9}, (None, None)),
        ([3, 9], (None, None)),
        (7, (None, None)),
        (b"null", (None, None)),
        # Only so much is read.
        (b'{"itemsDone": 3, "itemsTotal": 9, "x": "' + b"x" * 5000 + b'"}', (None, None)),
    ],
)
def test_what_a_pod_says_is_checked(answer: Any, counts: tuple[int | None, int | None]) -> None:
    seen, _, _ = looked(a_job(status=WORKING), pods=[running()], answer=answer)
    assert (seen.items_done, seen.items_total) == counts


def test_a_deep_answer_is_none() -> None:
    seen, _, _ = looked(a_job(status=WORKING), pods=[running()], answer=b"[" * 4096)
    assert seen.items_done is None


def polls(answers: list[int], parallelism: int, total: int = 100, **spec: Any) -> list[int | None]:
    """Return what is seen of a Job whose first pod says these numbers one after the other."""
    job = a_job(
        spec={"parallelism": parallelism, **spec},
        status={"active": parallelism, "ready": parallelism},
    )
    seen: PodObservation | None = None
    found = []
    for said in answers:
        answer = {"itemsDone": said, "itemsTotal": total}
        seen, _, _ = looked(job, pods=[running()], before=seen, answer=answer)
        found.append(seen.items_done)
    return found


def test_of_several_pods_one_speaks_for_all() -> None:
    # 20 were there when it began; it has made 5 and 10 more, and so have the others.
    assert polls([20, 25, 30], parallelism=4) == [20, 40, 60]
    assert polls([20, 25, 30], parallelism=1) == [20, 25, 30]
    assert polls([20, 90], parallelism=4) == [20, 100]
    # Nodes of one training count the same steps.
    assert polls([20, 25, 30], parallelism=4, backoffLimit=0) == [20, 25, 30]


def test_a_look_is_of_its_time() -> None:
    seen, _, _ = looked(a_job(status=WORKING), pods=[running(since=30), running("b", since=20)])
    assert seen.started == datetime.fromisoformat(at(20))
    assert replace(seen, address=None).at == NOW
