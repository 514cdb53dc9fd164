"""The inspection of pods: its requests, and the validation of the answers of pods.

A user can run any container in a pod, so no answer of a pod is trusted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from isheep.contract.order import Outcome, StageResult, StepResult, dump_result
from isheep.kube.attempts import PodObservation
from isheep.kube.client import ApiError, ApiUnreachableError
from isheep.kube.pod_inspection import PodInspector
from isheep.kube.records import JobRecord
from isheep.planner.types import JobWalk, Waiting

from .builders import a_job, at, condition, pod_json, result_text, terminated
from .fake_api_server import FakeApiServer, fail_every
from .fake_cluster import PODS, FakeSession
from .virtual_time import START, run_in_virtual_time

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
    answer: Any = None,
    server: FakeApiServer | None = None,
) -> tuple[PodObservation, list[str], list[tuple[str, str]]]:
    """Inspect a Job; return the observation, the requested URLs, and the API requests."""
    server = server or FakeApiServer()
    session = FakeSession(lambda url: answer)

    async def run_inspection() -> PodObservation:
        for pod in pods or []:
            pod["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": job.uid}
            server.put(PODS, pod)
        for number, event in enumerate(events or []):
            server.put(EVENTS, {"metadata": {"name": f"e{number}"}, **event})
        pod_inspector = PodInspector(server, session)  # type: ignore[arg-type]
        return await pod_inspector.inspect(job, before, NOW)

    observation = run_in_virtual_time(run_inspection())
    return observation, session.urls, server.requests


def running(name: str = "p", address: str | None = "10.0.0.1", **fields: Any) -> dict[str, Any]:
    ip = {} if address is None else {"podIP": address}
    state = {"running": {"startedAt": at(fields.pop("since", 10))}}
    return pod_json(name, phase="Running", state=state, **ip, **fields)


def test_the_results_of_an_ended_job_are_read() -> None:
    pods = [
        pod_json("a", phase="Succeeded", state=terminated(0, result_text()), index=0),
        pod_json("b", phase="Failed", state=terminated(1, "boom", startedAt=at(3)), index=1),
    ]
    observation, urls, _ = inspect(a_job(status=COMPLETE), pods=pods)
    assert observation.final
    assert (len(observation.ending.results), observation.ending.pod) == (1, "b")
    assert observation.started == START + timedelta(seconds=3)
    assert (observation.at, urls) == (NOW, [])


def test_only_the_pods_of_the_job_are_read() -> None:
    server = FakeApiServer()
    other = pod_json("other", phase="Failed", state=terminated(1))

    async def put() -> None:
        other["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": "another"}
        server.put(PODS, other)

    run_in_virtual_time(put())
    observation, _, _ = inspect(a_job(status=COMPLETE), server=server)
    assert (observation.final, observation.ending.pod) == (True, None)


def test_the_failed_indexes_are_in_the_observation() -> None:
    observation, _, _ = inspect(a_job(status={**STARTING, "failedIndexes": "1,3"}))
    assert (observation.failed_indexes, observation.final) == ("1,3", False)


def event(reason: str, message: str, uid: str, **times: Any) -> dict[str, Any]:
    return {"involvedObject": {"uid": uid}, "reason": reason, "message": message, **times}


def test_the_reason_for_missing_pods_is_read_from_the_events_of_the_job() -> None:
    job = a_job()
    events = [
        event("FailedCreate", "exceeded quota: a", job.uid, lastTimestamp=at(5)),
        event("FailedCreate", 'serviceaccount "b" not found', job.uid, lastTimestamp=at(9)),
        event("FailedCreate", "violates PodSecurity", "another", lastTimestamp=at(50)),
    ]
    observation, _, requests = inspect(job, events=events)
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
    observation, _, _ = inspect(a_job(status=STARTING), pods=[creating()], events=events)
    assert observation.waiting is not None
    assert observation.waiting.reason == "ConfigMapNotFound"
    observation, _, _ = inspect(a_job(status=STARTING), pods=[creating("b")], events=events)
    assert observation.waiting is not None
    assert observation.waiting.reason == "Starting"


def test_events_are_not_read_if_the_pod_has_the_reason() -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "a" not found'}
    observation, _, requests = inspect(
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
    observation, _, _ = inspect(a_job(status=STARTING), pods=[creating()], server=server)
    assert observation.waiting is not None
    assert not observation.waiting.stalled


def test_an_unreachable_api_server_is_raised() -> None:
    server = FakeApiServer()
    server.fault = fail_every(1, after=False)
    with pytest.raises(ApiUnreachableError):
        inspect(a_job(status=COMPLETE), server=server)


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
    ids=[
        "IPv4",
        "IPv6",
        "the first index",
        "no address",
        "being deleted",
        "creating",
        "no pods",
    ],
)
def test_one_pod_is_polled(pods: list[dict[str, Any]], url: str | None) -> None:
    answer = {"itemsDone": 3, "itemsTotal": 9}
    observation, urls, _ = inspect(a_job(status=WORKING), pods=pods, answer=answer)
    assert urls == ([] if url is None else [url])
    assert (observation.items_done, observation.items_total) == (
        (None, None) if url is None else (3, 9)
    )
    assert observation.polled == NOW


BEFORE = PodObservation(
    at=START,
    address="10.0.0.9",
    started=START,
    waiting=Waiting("Starting", "p", stalled=False),
    items_done=1,
    items_total=9,
)


def test_the_pod_that_answered_is_polled_again() -> None:
    answer = {"itemsDone": 3, "itemsTotal": 9}
    observation, urls, requests = inspect(a_job(status=WORKING), before=BEFORE, answer=answer)
    assert urls == ["http://10.0.0.9:8080/progress"]
    assert requests == []
    assert (observation.items_done, observation.at, observation.polled, observation.waiting) == (
        3,
        START,
        NOW,
        None,
    )
    assert observation.started == START


@pytest.mark.parametrize(
    "answer", [TimeoutError(), OSError(), aiohttp.ClientConnectionError(), b"<html>", b""]
)
def test_another_pod_is_found_if_the_last_one_does_not_answer(answer: Any) -> None:
    observation, urls, requests = inspect(
        a_job(status=WORKING), pods=[running()], before=BEFORE, answer=answer
    )
    assert urls == ["http://10.0.0.9:8080/progress", "http://10.0.0.1:8080/progress"]
    assert requests == [("GET", PODS)]
    # `polled` is the time of this inspection, so the next poll comes later.
    assert (observation.address, observation.polled) == ("10.0.0.1", NOW)


def test_pods_that_are_not_ready_are_not_polled() -> None:
    _, urls, _ = inspect(a_job(status=STARTING), pods=[running()], before=BEFORE, answer={})
    assert urls == []


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
        # The inspector reads a limited number of bytes.
        (b'{"itemsDone": 3, "itemsTotal": 9, "x": "' + b"x" * 70_000 + b'"}', (None, None)),
    ],
)
def test_the_answer_of_a_pod_is_validated(
    answer: Any, counts: tuple[int | None, int | None]
) -> None:
    observation, _, _ = inspect(a_job(status=WORKING), pods=[running()], answer=answer)
    assert (observation.items_done, observation.items_total) == counts


STEP = {"id": "i1/curate/r1", "key": "k" * 64, "statistics": {"accepted": 12.0}}


def test_the_committed_stages_of_a_walk_are_read() -> None:
    answer = {"stage": "i1/respond", "itemsDone": 3, "itemsTotal": 9, "committed": [STEP]}
    observation, _, _ = inspect(a_job(status=WORKING), pods=[running()], answer=answer)
    (step,) = observation.committed
    assert (step.id, step.key, step.statistics) == (STEP["id"], STEP["key"], {"accepted": 12})
    assert observation.stage == "i1/respond"
    # A pod that does not answer once does not take back what it has reported.
    later, _, _ = inspect(
        a_job(status=WORKING), pods=[running()], before=observation, answer=TimeoutError()
    )
    assert later.committed == observation.committed


@pytest.mark.parametrize(
    "committed", [None, 7, "x", [7], [{"id": 1}], [{**STEP, "statistics": {"accepted": "many"}}]]
)
def test_an_invalid_list_of_committed_stages_is_ignored(committed: Any) -> None:
    answer = {"itemsDone": 3, "itemsTotal": 9, "committed": committed}
    observation, _, _ = inspect(a_job(status=WORKING), pods=[running()], answer=answer)
    assert (observation.committed, observation.items_done) == ((), 3)


def test_the_items_of_each_stage_of_a_walk_are_counted_from_its_first_answer() -> None:
    job = a_job(spec={"parallelism": 2}, status={"active": 2, "ready": 2})
    observation: PodObservation | None = None
    found = []
    answers = [
        ("i1/generate/r1", 0),
        ("i1/generate/r1", 10),
        ("i1/respond", 40),
        ("i1/respond", 50),
    ]
    for stage, items in answers:
        answer = {"stage": stage, "itemsDone": items, "itemsTotal": 100}
        observation, _, _ = inspect(job, pods=[running()], before=observation, answer=answer)
        found.append(observation.items_done)
    assert found == [0, 20, 40, 60]


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
    observation, _, _ = inspect(job, pods=[ended, creating("b")])
    assert observation.ending.results == (result,)
    assert not observation.final


def test_a_deeply_nested_answer_is_ignored() -> None:
    observation, _, _ = inspect(a_job(status=WORKING), pods=[running()], answer=b"[" * 4096)
    assert observation.items_done is None


def polls(answers: list[int], parallelism: int, total: int = 100, **spec: Any) -> list[int | None]:
    """Return the items of a Job in each inspection, if its first pod answers with these numbers."""
    job = a_job(
        spec={"parallelism": parallelism, **spec},
        status={"active": parallelism, "ready": parallelism},
    )
    observation: PodObservation | None = None
    found = []
    for items in answers:
        answer = {"itemsDone": items, "itemsTotal": total}
        observation, _, _ = inspect(job, pods=[running()], before=observation, answer=answer)
        found.append(observation.items_done)
    return found


def test_the_items_of_one_pod_are_extrapolated_to_all_pods() -> None:
    # 20 items existed at the start. The pod has done 5 and 10 more, and so have the 3 others.
    assert polls([20, 25, 30], parallelism=4) == [20, 40, 60]
    assert polls([20, 25, 30], parallelism=1) == [20, 25, 30]
    assert polls([20, 90], parallelism=4) == [20, 100]
    # The nodes of one training count the same steps.
    assert polls([20, 25, 30], parallelism=4, backoffLimit=0) == [20, 25, 30]


def test_an_observation_has_its_time_and_the_earliest_start() -> None:
    observation, _, _ = inspect(
        a_job(status=WORKING), pods=[running(since=30), running("b", since=20)]
    )
    assert observation.started == datetime.fromisoformat(at(20))
    assert replace(observation, address=None).at == NOW
