"""Polls: one pod is asked, its answer is validated, and a silent pod is asked less often.

A user can run any container in a pod, so no answer of a pod is trusted.
"""

from __future__ import annotations

import asyncio
import gzip
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from isheep.kube.cache.records import JobRecord
from isheep.kube.passes.attempts import PodObservation
from isheep.kube.passes.pod_inspection import PodInspector
from isheep.kube.passes.polls import (
    CONCURRENT_POLLS,
    MOST_COMMITTED,
    POLL_SECONDS,
    WAITS_CHARACTERS,
    Polls,
    Progress,
    poll_session,
    with_answer,
)
from isheep.planner.types import PodTime

from ..builders import a_job, at, pod_json
from ..fake_api_server import FakeApiServer
from ..fake_cluster import PODS
from ..fake_session import FakeSession
from ..virtual_time import START, monotonic, run_in_virtual_time

NOW = START + timedelta(seconds=500)
WORKING = {"active": 1, "ready": 1, "startTime": at(3)}


def poll(
    job: JobRecord,
    *,
    pods: list[dict[str, Any]],
    before: PodObservation | None = None,
    answer: Any = None,
) -> tuple[PodObservation, list[str]]:
    """Inspect a Job and poll its pod; return the observation and the requested URLs."""
    server, session = FakeApiServer(), FakeSession(lambda url: answer)

    async def run_poll() -> PodObservation:
        for pod in pods:
            pod["metadata"]["labels"] = {"batch.kubernetes.io/controller-uid": job.uid}
            server.put(PODS, pod)
        inspector = PodInspector(server)  # type: ignore[arg-type]
        found = await inspector.inspect(job, before, NOW)

        def note(job: JobRecord, address: str, progress: Progress | None) -> None:
            nonlocal found
            found = with_answer(found, job, address, progress)

        if found.address is not None and found.polled == NOW:
            Polls(session).start(job, found.address, note)  # type: ignore[arg-type]
            await asyncio.sleep(POLL_SECONDS + 1)
        return found

    return run_in_virtual_time(run_poll()), session.urls


def running(name: str = "p", address: str | None = "10.0.0.1", **fields: Any) -> dict[str, Any]:
    ip = {} if address is None else {"podIP": address}
    state = {"running": {"startedAt": at(fields.pop("since", 10))}}
    return pod_json(name, phase="Running", state=state, **ip, **fields)


def creating() -> dict[str, Any]:
    return pod_json("a", state={"waiting": {"reason": "ContainerCreating"}})


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
    observation, urls = poll(a_job(status=WORKING), pods=pods, answer=answer)
    assert urls == ([] if url is None else [url])
    assert (observation.items_done, observation.items_total) == (
        (None, None) if url is None else (3, 9)
    )
    assert observation.polled == NOW


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
    observation, _ = poll(a_job(status=WORKING), pods=[running()], answer=answer)
    assert (observation.items_done, observation.items_total) == counts


STEP = {"id": "i1/curate/r1", "key": "k" * 64, "statistics": {"accepted": 12.0}}


def test_the_committed_stages_of_a_walk_are_read() -> None:
    answer = {"stage": "i1/respond", "itemsDone": 3, "itemsTotal": 9, "committed": [STEP]}
    observation, _ = poll(a_job(status=WORKING), pods=[running()], answer=answer)
    (step,) = observation.committed
    assert (step.id, step.key, step.statistics) == (STEP["id"], STEP["key"], {"accepted": 12})
    assert observation.stage == "i1/respond"
    # A pod that does not answer once does not take back what it has reported.
    later, _ = poll(
        a_job(status=WORKING), pods=[running()], before=observation, answer=TimeoutError()
    )
    assert later.committed == observation.committed


@pytest.mark.parametrize(
    "committed", [None, 7, "x", [7], [{"id": 1}], [{**STEP, "statistics": {"accepted": "many"}}]]
)
def test_an_invalid_list_of_committed_stages_is_ignored(committed: Any) -> None:
    answer = {"itemsDone": 3, "itemsTotal": 9, "committed": committed}
    observation, _ = poll(a_job(status=WORKING), pods=[running()], answer=answer)
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
        observation, _ = poll(job, pods=[running()], before=observation, answer=answer)
        found.append(observation.items_done)
    assert found == [0, 20, 40, 60]


def test_the_time_of_a_new_stage_is_that_of_its_first_answer() -> None:
    job = a_job(status={"active": 1, "ready": 1})
    before = PodObservation(at=START, stage="i1/generate/r1", polled=START)
    same = with_answer(before, job, "10.0.0.1", Progress("i1/generate/r1", 1, 9))
    assert same.stage_since is None
    after = with_answer(before, job, "10.0.0.1", Progress("i1/respond", 1, 9))
    assert (after.stage, after.stage_since) == ("i1/respond", START)


def test_a_deeply_nested_answer_is_ignored() -> None:
    observation, _ = poll(a_job(status=WORKING), pods=[running()], answer=b"[" * 4096)
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
        observation, _ = poll(job, pods=[running()], before=observation, answer=answer)
        found.append(observation.items_done)
    return found


def test_the_items_of_one_pod_are_extrapolated_to_all_pods() -> None:
    # 20 items existed at the start. The pod has done 5 and 10 more, and so have the 3 others.
    assert polls([20, 25, 30], parallelism=4) == [20, 40, 60]
    assert polls([20, 25, 30], parallelism=1) == [20, 25, 30]
    assert polls([20, 90], parallelism=4) == [20, 100]
    # The nodes of one training count the same steps.
    assert polls([20, 25, 30], parallelism=4, backoffLimit=0) == [20, 25, 30]


@pytest.mark.parametrize(
    "answer", [TimeoutError(), OSError(), aiohttp.ClientConnectionError(), b"<html>", b""]
)
def test_a_pod_that_does_not_answer_is_forgotten_and_its_counts_are_kept(answer: Any) -> None:
    before = PodObservation(at=START, address="10.0.0.9", items_done=1, items_total=9, silent=2)
    observation, urls = poll(a_job(status=WORKING), pods=[], before=before, answer=answer)
    assert urls == ["http://10.0.0.9:8080/progress"]
    assert (observation.address, observation.silent) == (None, 3)
    assert (observation.items_done, observation.items_total) == (1, 9)


def test_an_answer_ends_the_silence() -> None:
    before = PodObservation(at=START, address="10.0.0.9", silent=2)
    observation, _ = poll(a_job(status=WORKING), pods=[], before=before, answer={})
    assert (observation.address, observation.silent) == ("10.0.0.9", 0)


@pytest.mark.parametrize(
    ("answer", "until"), [({"stage": "i1/train"}, NOW), (TimeoutError(), START)]
)
def test_only_an_answer_shows_that_pods_hold_their_gpus(answer: Any, until: datetime) -> None:
    """The cache may say for long that a pod works, if the API server cannot be reached."""
    times = (PodTime("a", START, START), PodTime("b", START, START, ended=True))
    before = PodObservation(at=START, address="10.0.0.1", polled=START, pods=times)
    found, _ = poll(a_job(status=WORKING), pods=[], before=before, answer=answer)
    assert found.pods is not None
    assert [time.until for time in found.pods] == [until, START]


def test_silent_pods_are_polled_at_the_same_time_and_each_job_once() -> None:
    asked: list[float] = []

    async def silence(url: str) -> Any:
        asked.append(monotonic())
        await asyncio.sleep(POLL_SECONDS)
        raise TimeoutError

    async def run_polls() -> list[str]:
        polls = Polls(FakeSession(silence))  # type: ignore[arg-type]
        answered: list[str] = []
        for number in range(2 * CONCURRENT_POLLS):
            for _ in range(2):
                job = a_job(uid=f"job-{number}")
                polls.start(job, "10.0.0.1", lambda job, *_: answered.append(job.uid))
        await asyncio.sleep(2 * POLL_SECONDS + 1)
        polls.start(a_job(), "10.0.0.1", lambda *_: answered.append("stopped"))
        await polls.stop()
        return answered

    answered = run_in_virtual_time(run_polls())
    assert len(answered) == len(set(answered)) == 2 * CONCURRENT_POLLS
    assert set(asked) == {0, POLL_SECONDS}


@pytest.mark.parametrize(
    ("answer", "waits_for"),
    [
        ({"waitsFor": "s3://b does not\n answer"}, "s3://b does not answer"),
        ({"waitsFor": "x" * 1000}, "x" * WAITS_CHARACTERS),
        ({"waitsFor": ""}, None),
        ({"waitsFor": ["s3://b"]}, None),
        ({}, None),
    ],
)
def test_what_a_pod_waits_for_is_one_line_of_text(
    answer: dict[str, Any], waits_for: str | None
) -> None:
    before = PodObservation(at=START, waits_for="earlier")
    found, _ = poll(a_job(status=WORKING), pods=[running()], before=before, answer=answer)
    assert found.waits_for == waits_for


def test_a_compressed_answer_is_not_decompressed() -> None:
    """64 pods that answer with such a text at the same time would use up the memory."""
    bomb = gzip.compress(b"0" * 10_000_000)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async def ask() -> bytes:
        app = web.Application()
        app.router.add_get("/progress", answer)
        async with (
            TestServer(app) as server,
            poll_session() as session,
            session.get(server.make_url("/progress")) as response,
        ):
            return await response.content.read()

    assert asyncio.run(ask()) == bomb


def test_a_stage_with_an_endless_name_is_no_stage() -> None:
    found, _ = poll(a_job(status=WORKING), pods=[running()], answer={"stage": "i1/" + "a" * 300})
    assert found.stage is None


def test_a_list_of_stages_without_end_is_read_in_part() -> None:
    """Each stage takes far more memory than its text, and many pods may answer so."""
    rows = [{"id": "", "key": ""}] * 2000
    found, _ = poll(a_job(status=WORKING), pods=[running()], answer={"committed": rows})
    assert len(found.committed) == MOST_COMMITTED
