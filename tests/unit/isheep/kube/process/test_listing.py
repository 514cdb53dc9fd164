"""LISTs of runs and Jobs: which namespaces are listed, when, and what they leave out."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import pytest

from isheep.api.run import PLURAL
from isheep.kube.cache.cache import Cache
from isheep.kube.cache.unreadable import Unreadable
from isheep.kube.client import ApiUnreachableError, jobs_path, runs_path
from isheep.kube.observability.metrics import Metrics
from isheep.kube.process.listing import (
    FRESH_SECONDS,
    JOBS,
    MOST_READS,
    REFUSED_SECONDS,
    Lister,
)
from isheep.kube.queue import WorkQueue

from ...planner.simulation import spec_with
from ..fake_api_server import FakeApiServer, Json
from ..fake_cluster import FakeCluster
from ..fake_cluster import run_scenario as run_cluster
from ..scenarios import at_request, reject_with
from ..virtual_time import monotonic, run_in_virtual_time

RUNS = runs_path("ns")
YEARS = 10**9


class Listed:
    """A lister of one namespace, with what it has primed."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server, self.cache, self.queue = server, Cache(), WorkQueue(monotonic)
        self.unreadable = Unreadable()
        self.primed: list[tuple[str | None, Collection[str] | None]] = []
        self.lister = Lister(
            api=server,  # type: ignore[arg-type]
            cache=self.cache,
            queue=self.queue,
            metrics=Metrics(),
            unreadable=self.unreadable,
            prime=lambda namespace, uids=None: self.primed.append((namespace, uids)),
            scopes=("ns",),
            monotonic=monotonic,
        )

    def lists(self) -> int:
        return self.server.count("GET", RUNS)


def create_run(server: FakeApiServer, name: str, **status: Any) -> Json:
    return server.put(
        RUNS,
        {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": name, "namespace": "ns"},
            "spec": spec_with(iterations=1),
            "status": {"observedGeneration": -1, **status},
        },
    )


def run_scenario(scenario: Callable[[Listed], Coroutine[Any, Any, None]]) -> None:
    run_in_virtual_time(scenario(Listed(FakeApiServer())))


def test_a_namespace_is_listed_again_if_its_list_began_before_a_time() -> None:
    async def scenario(listed: Listed) -> None:
        create_run(listed.server, "run")
        await asyncio.sleep(1)
        assert await listed.lister.refresh_all()
        assert (listed.lists(), listed.primed) == (1, [("ns", None)])
        assert await listed.lister.renew(1.0) == 0
        await asyncio.sleep(FRESH_SECONDS / 2)
        uid = create_run(listed.server, "new")["metadata"]["uid"]
        # A LIST of the last seconds is new enough for a watch, and may be too old for a write.
        assert await listed.lister.refresh("ns")
        assert listed.lists() == 1
        assert await listed.lister.renew(monotonic()) == 1
        assert listed.cache.runs.get(uid) is not None
        assert listed.primed[1:] == [("ns", {uid})]
        assert await listed.lister.renew(monotonic()) == 0

    run_scenario(scenario)


@pytest.mark.parametrize("periodic", [False, True])
def test_a_later_list_reads_only_what_is_newer_than_the_cache(*, periodic: bool) -> None:
    async def scenario(listed: Listed) -> None:
        for name in ("a", "b", "c", "d"):
            create_run(listed.server, name)
        await listed.lister.refresh_all()
        await asyncio.sleep(1)
        listed.server.change(f"{RUNS}/b", status={"phase": "Running"})
        listed.server.remove(f"{RUNS}/c")
        create_run(listed.server, "e")
        # It is deleted between the LIST and its read.
        gone = create_run(listed.server, "f")
        remove = functools.partial(listed.server.remove, f"{RUNS}/f")
        listed.server.fault = at_request("GET", f"{RUNS}/f", remove)
        before = len(listed.server.requests)
        if periodic:
            await asyncio.sleep(FRESH_SECONDS)
            assert await listed.lister.refresh_all()
        else:
            assert await listed.lister.renew(monotonic()) == 1
        asked = listed.server.requests[before:]
        reads = [("GET", f"{RUNS}/{name}") for name in ("b", "e", "f")]
        assert asked == [("GET", RUNS), *reads, ("GET", jobs_path("ns"))]
        phases = {run.name: run.phase for run in listed.cache.runs}
        assert phases == {"a": "Pending", "b": "Running", "d": "Pending", "e": "Pending"}
        primed = listed.primed[-1][1]
        assert primed is not None
        assert len(primed) == 3
        assert gone["metadata"]["uid"] not in primed

    run_scenario(scenario)


def test_a_renewal_lists_everything_if_much_has_changed() -> None:
    async def scenario(listed: Listed) -> None:
        await listed.lister.refresh_all()
        await asyncio.sleep(1)
        for number in range(MOST_READS + 1):
            create_run(listed.server, f"run-{number}")
        before = len(listed.server.requests)
        assert await listed.lister.renew(monotonic()) == 1
        assert len(listed.cache.runs) == MOST_READS + 1
        assert len(listed.server.requests) == before + 3

    run_scenario(scenario)


def test_a_renewal_fails_while_the_api_server_does_not_answer() -> None:
    def fail() -> None:
        raise ApiUnreachableError("no answer")

    async def scenario(listed: Listed) -> None:
        await listed.lister.refresh_all()
        await asyncio.sleep(1)
        listed.server.fault = at_request("GET", RUNS, fail)
        with pytest.raises(ApiUnreachableError):
            await listed.lister.renew(monotonic())
        assert await listed.lister.renew(monotonic()) == 1

    run_scenario(scenario)


def test_a_namespace_that_cannot_be_listed_keeps_no_other_one_from_writes() -> None:
    async def scenario(listed: Listed) -> None:
        create_run(listed.server, "run")
        await listed.lister.refresh_all()
        await asyncio.sleep(1)
        listed.server.fault = at_request("GET", RUNS, reject_with(403))
        with pytest.raises(ApiUnreachableError, match="no"):
            await listed.lister.renew(monotonic())
        await asyncio.sleep(REFUSED_SECONDS)
        listed.server.fault = at_request("GET", RUNS, reject_with(403))
        assert await listed.lister.renew(monotonic()) == 0
        assert (len(listed.cache.runs), listed.lister.age()) == (0, None)
        assert listed.lister.problem() == "no"

    run_scenario(scenario)


def test_a_list_after_that_of_kopf_finds_deletions() -> None:
    async def scenario(listed: Listed) -> None:
        for name in ("run", "other"):
            create_run(listed.server, name)
        await listed.lister.refresh_all()
        listed.server.remove(f"{RUNS}/run")
        assert await listed.lister.find_deletions("ns")
        assert [run.name for run in listed.cache.runs] == ["other"]

    run_scenario(scenario)


def test_a_list_after_that_of_kopf_primes_a_namespace_that_was_forgotten() -> None:
    async def scenario(listed: Listed) -> None:
        create_run(listed.server, "run")
        assert await listed.lister.find_deletions("ns")
        assert (len(listed.cache.runs), listed.primed) == (1, [("ns", None)])
        listed.server.fault = at_request("GET", RUNS, reject_with(503))
        assert not await listed.lister.find_deletions("ns")

    run_scenario(scenario)


@pytest.mark.parametrize("status", [403, 404])
def test_an_api_server_that_starts_makes_nothing_forgotten(status: int) -> None:
    async def scenario(listed: Listed) -> None:
        create_run(listed.server, "run")
        await listed.lister.refresh_all()
        for _ in range(3):
            # Each of these starts of the API server is over before the next LIST.
            await asyncio.sleep(REFUSED_SECONDS)
            listed.server.fault = at_request("GET", RUNS, reject_with(status))
            assert not await listed.lister.refresh_all()
            assert len(listed.cache.runs) == 1
            assert await listed.lister.refresh_all()
        assert listed.primed == [("ns", None)]

    run_scenario(scenario)


def test_a_run_that_cannot_be_read_is_left_out() -> None:
    async def scenario(listed: Listed) -> None:
        for name in ("a", "b"):
            create_run(listed.server, name)
        # The sum of the two is after the last time that there is.
        completed = {"completionTime": "9000-01-01T00:00:00Z"}
        document = create_run(listed.server, "c", **completed)
        spec = {**document["spec"], "ttlSecondsAfterFinished": 400 * YEARS}
        listed.server.change(f"{RUNS}/c", spec=spec)
        assert await listed.lister.refresh_all()
        assert sorted(run.name for run in listed.cache.runs) == ["a", "b"]
        assert list(listed.unreadable.counts()) == [(PLURAL, "ns")]
        listed.server.remove(f"{RUNS}/c")
        await asyncio.sleep(FRESH_SECONDS + 1)
        assert await listed.lister.refresh_all()
        assert list(listed.unreadable.counts()) == []

    run_scenario(scenario)


def test_a_job_that_becomes_unreadable_occupies_its_stage() -> None:
    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        cluster.server.watchers.clear()
        listed = Listed(cluster.server)
        await listed.lister.refresh_all()
        (known,) = listed.cache.jobs
        cluster.server.change(job, status={"active": "many"})
        await asyncio.sleep(FRESH_SECONDS + 1)
        assert await listed.lister.refresh_all()
        assert listed.cache.jobs_of(known.run_uid) == [known]
        assert list(listed.unreadable.counts()) == [(JOBS, "ns")]
        # Two LISTs, and a GET of the Job that has changed.
        assert listed.server.count("GET", jobs_path("ns")) == 3
        cluster.server.change(job, status={"active": 1})
        await asyncio.sleep(FRESH_SECONDS + 1)
        assert await listed.lister.refresh_all()
        assert [found.active for found in listed.cache.jobs] == [1]
        assert list(listed.unreadable.counts()) == []

    run_cluster(scenario)
