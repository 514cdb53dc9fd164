"""Passes over runs in a cluster in memory: whatever fails on the way, the end is the same."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.kube.client import ApiError, jobs_path, services_path
from isheep.kube.lease import MARGIN_SECONDS
from isheep.kube.names import service_name
from isheep.kube.operator import PASS_SECONDS
from isheep.kube.pod_inspection import POLL_SECONDS

from ..planner.world import World, make_run, outcome, spec_with
from .builders import condition
from .server import Fault, Server, at_random, each_twice, every
from .site import JOBS, PODS, RUNS, SHORT, Site, play
from .virtual import monotonic

SERVICES = services_path("ns")


@cache
def calm(iterations: int = 1) -> World:
    """Return an undisturbed run, as the planner's own tests have it, at its end."""
    world = World(make_run(spec_with(iterations=iterations)))
    world.drive()
    return world


def check_end(site: Site) -> None:
    """Check that a run has ended as if nothing had happened, and what is left is tidy."""
    assert outcome(site.status()) == outcome(calm().run.status)
    assert site.world.committed == calm().committed
    assert site.jobs(active=False) == []


def during(
    method: str, word: str, act: Callable[[], None], *, times: int = 1
) -> Callable[[str, str], None]:
    """Do something at the first requests of a kind, before they are answered."""
    left = times

    def fault(found: str, path: str) -> None:
        nonlocal left
        if found == method and word in path and left:
            left -= 1
            act()

    return fault


def refusing(status: int, message: str = "no", *causes: str) -> Callable[[], None]:
    def act() -> None:
        raise ApiError(status, "", message, causes)

    return act


# --- several nodes ----------------------------------------------------------------------

NODES = spec_with(iterations=1, training={"numNodes": 2})


def services(site: Site) -> list[str]:
    return [path for path, _ in site.server.under(SERVICES)]


def until_training(site: Site) -> Callable[[], Any]:
    """Return what drives a run until its training is to be started."""

    async def drive() -> None:
        for _ in range(40):
            await site.operator.settle()
            site.collect()
            if any(site.order(job).steps[0].kind == "train" for job in site.jobs()):
                return
            if site.ready()[0].startswith(("Service", "Quota")):
                return
            for job in site.jobs():
                site.complete(job)
            await asyncio.sleep(1)
        raise AssertionError(site.ready())

    return drive


def test_nodes_have_names_before_there_are_pods() -> None:
    async def story(site: Site) -> None:
        site.create(spec=NODES)
        await site.drive()
        (service,) = services(site)
        made = site.server.objects[service]
        assert [o["uid"] for o in made["metadata"]["ownerReferences"]] == [site.uid()]
        posts = [path for method, path in site.server.requests if method == "POST"]
        at = posts.index(SERVICES)
        assert posts[at + 1] == JOBS
        assert site.operator.failures == []

    site = play(story)
    assert site.status().phase == "Succeeded"
    assert site.server.count("POST", "/services") == 1


def test_a_run_on_one_node_has_no_service() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()
        assert site.server.count("POST", "/services") == 0

    play(story)


@pytest.mark.parametrize("word", ["/services", "/jobs"])
@pytest.mark.parametrize("after", [False, True])
def test_a_training_is_started_once_whatever_fails_on_the_way(word: str, after: bool) -> None:
    async def story(site: Site) -> None:
        site.create(spec=NODES)
        drive = until_training(site)

        def fail() -> None:
            raise Fault(after=after)

        site.server.fault = (
            during("POST", "/services", fail)
            if word == "/services"
            else (_after_the_service(site, fail))
        )
        await drive()
        # The operator that did it is gone, too.
        site.begin()
        await site.operator.settle()
        trained = [job for job in site.jobs() if site.order(job).steps[0].kind == "train"]
        assert len(trained) == len(services(site)) == 1
        await site.drive()

    assert play(story).status().phase == "Succeeded"


def _after_the_service(site: Site, act: Callable[[], None]) -> Callable[[str, str], None]:
    """Do something at the first Job that is created once there is a Service."""
    left = 1

    def fault(method: str, path: str) -> None:
        nonlocal left
        if method == "POST" and path == JOBS and services(site) and left:
            left = 0
            act()

    return fault


def test_a_second_attempt_has_the_same_service() -> None:
    async def story(site: Site) -> None:
        site.create(spec=NODES)
        drive = until_training(site)
        await drive()
        (job,) = site.jobs()
        site.fail(job, 137)
        await site.operator.settle(60)
        site.collect()
        (again,) = site.jobs()
        assert again != job
        assert len(services(site)) == 1
        env = {
            v["name"]: v.get("value")
            for v in site.job(again)["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        assert env["ISHEEP_RENDEZVOUS"].startswith(again.rpartition("/")[2])
        await site.drive()

    assert play(story).status().phase == "Succeeded"


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (refusing(403, "services is forbidden: exceeded quota: services"), "QuotaExceeded"),
        (refusing(403, "services is forbidden: no right"), "ServiceForbidden"),
        (refusing(422, "Service is invalid"), "ServiceInvalid"),
    ],
)
def test_no_gpu_is_held_where_there_can_be_no_service(act: Callable[[], None], reason: str) -> None:
    async def story(site: Site) -> None:
        site.create(spec=NODES)
        drive = until_training(site)
        site.server.fault = during("POST", "/services", act)
        await drive()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", reason)
        assert site.jobs() == []
        await asyncio.sleep(60)
        await site.drive()

    assert play(story).status().phase == "Succeeded"


def test_a_service_of_somebody_else_is_told_and_left_alone() -> None:
    async def story(site: Site) -> None:
        site.create(spec=NODES)
        name = service_name("run", site.uid())
        foreign = {"metadata": {"name": name}, "spec": {"selector": {"app": "mine"}}}
        site.server.put(SERVICES, foreign)
        drive = until_training(site)
        await drive()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", "ServiceNameConflict")
        assert name in site.ready()[1]
        site.server.remove(f"{SERVICES}/{name}")
        await asyncio.sleep(60)
        await site.drive()

    assert play(story).status().phase == "Succeeded"


# --- the course of a run ----------------------------------------------------------------


def test_a_run_comes_to_its_end() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()
        assert site.operator.failures == []

    site = play(story)
    check_end(site)
    assert site.started == calm().started
    assert site.status().phase == "Succeeded"


def test_a_run_of_two_iterations_comes_to_its_end() -> None:
    async def story(site: Site) -> None:
        site.create(spec=spec_with(iterations=2))
        await site.drive()

    site = play(story)
    assert outcome(site.status()) == outcome(calm(2).run.status)
    assert site.started == calm(2).started


def test_the_first_pass() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.one()
        (job,) = site.jobs()
        assert site.order(job).steps[0].id == "prepare"
        assert site.job(job)["metadata"]["labels"]["isheep.dev/run"] == "run"
        assert site.job(job)["spec"]["activeDeadlineSeconds"] == 1800
        status = site.server.objects[f"{RUNS}/run"]["status"]
        # The first write of a generation carries both together.
        assert status["observedGeneration"] == 1
        assert {c["observedGeneration"] for c in status["conditions"]} == {1}
        assert site.server.count("PATCH") == 1
        assert site.ready()[1] == "prepare: attempt 1 starts"
        await site.operator.settle()
        assert site.ready()[1] == "prepare: attempt 1 is running"

    play(story)


def test_a_pass_knows_what_it_has_done_before_any_event_tells() -> None:
    async def story(site: Site) -> None:
        site.create()
        site.operator.deaf = True
        for _ in range(3):
            site.operator.queue.wake(site.uid())
            await site.operator.settle()
        assert (site.server.count("POST", "/jobs"), len(site.jobs())) == (1, 1)
        # After "starts" comes "is running", and then no other message.
        assert site.server.count("PATCH") == 2
        assert site.operator.failures == []

    play(story)


def test_events_tell_what_the_status_says() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()
        events = [o for p, o in site.server.objects.items() if "/events/" in p]
        told = [(e["reason"], e["message"]) for e in events]
        assert told[0][0] == "Pending"
        assert ("StageCommitted", "i1/train") in told
        assert told[-1] == ("Succeeded", "every stage is committed")
        assert {e["involvedObject"]["uid"] for e in events} == {site.uid()}
        assert len(set(told)) == len(told)

    play(story)


def test_jobs_go_when_their_results_are_in_the_status() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        site.complete(job)

        def check() -> None:
            records = {(r.id, r.committed) for r in site.status().stages}
            assert ("prepare", True) in records

        site.server.fault = during("DELETE", "jobs", check)
        await site.operator.settle()
        assert "deletionTimestamp" in site.job(job)["metadata"]

    play(story)


# --- failures of requests ---------------------------------------------------------------

FAULTS = {
    "each of them twice": each_twice,
    "every third after": lambda: every(3, after=True),
    "every third before": lambda: every(3, after=False),
    "every seventh after": lambda: every(7, after=True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_requests_fail_and_the_end_is_the_same(name: str) -> None:
    async def story(site: Site) -> None:
        site.create()
        site.server.fault = FAULTS[name]()
        await site.drive()
        assert site.operator.failures

    check_end(play(story))


REQUESTS = 92
"""More than an undisturbed run makes."""


@pytest.mark.parametrize("dies", [False, True], ids=["the pass is repeated", "the operator dies"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_one_request_fails_and_the_end_is_the_same(after: bool, dies: bool) -> None:
    """Each in its turn, every third of them, of a run each."""
    for number in range(1 + after + dies, REQUESTS, 3):
        count = 0

        def fault(method: str, path: str, number: int = number) -> None:
            nonlocal count
            count += 1
            if count == number:
                raise Fault(after=after)

        async def story(site: Site, fault: Any = fault) -> None:
            site.create()
            site.server.fault = fault
            await site.drive()

        async def deadly(site: Site, fault: Any = fault) -> None:
            site.create()
            site.server.fault = fault
            operator = site.operator
            while not operator.failures and not site.over():
                await operator.settle()
                for path in [] if operator.failures else site.jobs():
                    site.complete(path)
                site.collect()
                await asyncio.sleep(1)
            site.begin("another")
            await site.drive()

        site = play(deadly if dies else story)
        check_end(site)


def test_that_is_every_request() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()

    assert len(play(story).server.requests) <= REQUESTS


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.1, 0.3, 0.6]))
def test_whatever_requests_fail_the_end_is_the_same(seed: int, share: float) -> None:
    async def story(site: Site) -> None:
        site.create()
        site.server.fault = at_random(seed, share)
        await site.drive()

    check_end(play(story))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_events_are_lost_and_lists_make_up_for_it(seed: int) -> None:
    """A watch that hears nothing for a while, as after an outage."""

    async def story(site: Site) -> None:
        site.create()
        chance = at_random(seed, 0.5)
        for _ in range(200):
            try:
                chance("", "")
                site.operator.deaf = False
            except Fault:
                site.operator.deaf = True
            await site.operator.settle()
            site.collect()
            await site.operator.settle()
            for path in site.jobs():
                site.complete(path)
            await asyncio.sleep(20)
            site.operator.list()
            if site.over():
                break
        site.operator.deaf = False
        site.operator.list()
        await site.drive()

    check_end(play(story))


# --- Jobs that the API server would not have --------------------------------------------

QUOTA = 'jobs.batch "x" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1'


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (refusing(403, QUOTA), "QuotaExceeded"),
        (refusing(403, "it is being terminated", "NamespaceTerminating"), "NamespaceTerminating"),
        (refusing(403, "User cannot create resource jobs"), "JobForbidden"),
        (refusing(422, "Job.batch is invalid: spec.template: Required value"), "JobInvalid"),
    ],
    ids=["quota", "terminating", "rbac", "invalid"],
)
def test_a_refusal_stalls_the_run_and_is_tried_again(act: Callable[[], None], reason: str) -> None:
    async def story(site: Site) -> None:
        site.create()
        site.server.fault = during("POST", "/jobs", act, times=3)
        await site.operator.settle()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", reason)
        kinds = {c.type for c in site.status().conditions if c.status == "True"}
        assert kinds == {"Stalled"}
        posts = site.server.count("POST", "/jobs")
        assert posts == 1
        # Tried again after 5, then after 10 seconds, and then after 20.
        await site.operator.settle(4.5)
        assert site.server.count("POST", "/jobs") == 1
        await site.operator.settle(2)
        assert (site.server.count("POST", "/jobs"), site.status().phase) == (2, "Stalled")
        await site.operator.settle(8)
        assert site.server.count("POST", "/jobs") == 2
        await asyncio.sleep(40)
        await site.operator.settle()
        assert site.server.count("POST", "/jobs") == 3
        await site.drive()
        assert site.operator.failures == []

    site = play(story)
    check_end(site)
    warnings = [
        o["reason"]
        for p, o in site.server.objects.items()
        if "/events/" in p and o["type"] == "Warning"
    ]
    assert warnings == [reason]


def test_a_refusal_between_stages_loses_nothing() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        site.server.fault = during("POST", "/jobs", refusing(403, QUOTA), times=5)
        await site.drive()
        assert site.operator.failures == []

    check_end(play(story))


def test_an_order_that_is_too_large_stalls_the_run() -> None:
    async def story(site: Site) -> None:
        names = [f"b{i}" for i in range(64)]
        uri = "s3://bucket/" + "x" * 1000
        benchmarks = [{"name": n, "storageUri": uri} for n in names]
        site.create(spec=spec_with(curation={"decontamination": {"benchmarks": benchmarks}}))
        await site.operator.settle()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", "JobInvalid")
        assert "bytes" in site.ready()[1]
        assert site.jobs() == []

    play(story)


def test_a_name_that_somebody_else_has_stalls_the_run_until_it_is_free() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        foreign = {**site.job(job)}
        foreign["metadata"] = {"name": job.rpartition("/")[2], "namespace": "ns"}
        # The run begins anew, and finds its Job's name taken.
        site.server.remove(job)
        site.server.change(path, status={"observedGeneration": -1})
        site.guard = False
        site.server.put(JOBS, foreign)
        site.begin()
        await site.operator.settle()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", "JobNameConflict")
        assert job.rpartition("/")[2] in site.ready()[1]
        await site.operator.settle(30)
        assert site.ready()[0] == "JobNameConflict"
        # It is not ours to delete.
        assert site.server.count("DELETE") == 0
        site.server.remove(job)
        site.guard = True
        await asyncio.sleep(60)
        await site.drive()
        assert site.operator.failures == []

    check_end(play(story))


def test_a_job_of_ours_that_was_made_already_is_taken_over() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        uid = site.job(job)["metadata"]["uid"]
        # The operator that made it died before it wrote the status, and the new one is deaf to it.
        site.server.change(path, status={"observedGeneration": -1})
        site.begin(jobs=False)
        await site.operator.settle()
        assert site.jobs() == [job]
        assert site.job(job)["metadata"]["uid"] == uid
        assert site.status().phase in ("Pending", "Running")
        await site.drive()

    check_end(play(story))


def test_a_job_of_ours_that_is_going_is_waited_for() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        await site.server.delete(job, site.job(job)["metadata"]["uid"])
        site.server.change(path, status={"observedGeneration": -1})
        site.begin(jobs=False)
        await site.operator.settle(20)
        assert site.jobs() == [job]
        assert site.status().phase != "Stalled"
        site.collect()
        await site.drive()

    check_end(play(story))


def test_a_conflict_that_is_over_when_it_is_looked_at() -> None:
    """AlreadyExists, and then 404: or a quota's own conflict, which is a 409 too."""

    async def story(site: Site) -> None:
        site.create()
        site.server.fault = during("POST", "/jobs", refusing(409), times=2)
        await site.operator.settle()
        assert len(site.jobs()) == 1
        assert site.status().phase in ("Pending", "Running")
        await site.drive()
        assert site.operator.failures == []

    check_end(play(story))


def test_a_job_without_its_attempt_stalls_the_run() -> None:
    """Its failure would never be taken in, nor its name be free."""

    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        labels = {**site.job(job)["metadata"]["labels"]}
        del labels["isheep.dev/attempt"]
        site.server.change(job, metadata={"labels": labels})
        site.fail(job, 69)
        await asyncio.sleep(120)
        await site.operator.settle()
        assert site.status().phase == "Stalled"

    play(story)


# --- the run changes meanwhile ----------------------------------------------------------


def test_a_run_that_was_changed_meanwhile_is_read_again() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        operator = site.operator

        def edit() -> None:
            operator.deaf = True
            site.server.change(path, metadata={"annotations": {"a": "b"}})
            operator.deaf = False

        site.server.fault = during("PATCH", "status", edit)
        await operator.settle()
        assert operator.failures == []
        assert site.server.count("PATCH") == 2
        assert site.status().observed_generation == 1
        assert len(site.jobs()) == 1
        await site.drive()

    check_end(play(story))


def test_an_edit_during_a_pass_is_planned_from() -> None:
    async def story(site: Site) -> None:
        path = site.create()

        def edit() -> None:
            site.server.change(path, spec={**SHORT, "suspend": True})

        site.server.fault = during("PATCH", "status", edit)
        await site.operator.settle()
        assert (site.status().phase, site.status().observed_generation) == ("Suspended", 2)
        site.collect()
        assert site.jobs(active=False) == []
        site.server.change(path, spec=SHORT)
        await site.drive()

    check_end(play(story))


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_a_run_is_deleted_during_a_pass(told: bool) -> None:
    async def story(site: Site) -> None:
        path = site.create()
        uid = site.server.objects[path]["metadata"]["uid"]

        def delete() -> None:
            site.operator.deaf = not told
            site.server.remove(path)
            site.operator.deaf = False

        site.server.fault = during("PATCH", "status", delete)
        await site.operator.settle()
        assert site.operator.failures == []
        assert site.operator.cache.runs.get(uid) is None
        assert path not in site.server.objects
        requests = len(site.server.requests)
        await site.operator.settle(10_000)
        assert len(site.server.requests) == requests

    play(story)


def replaced_during_a_pass(site: Site, *, late: bool) -> Callable[[], None]:
    """Return what deletes the run and creates it anew; `late`: the events come after the pass."""

    def act() -> None:
        site.operator.deaf = late
        site.server.remove(f"{RUNS}/run")
        site.create(spec=spec_with(iterations=2))
        site.operator.deaf = False

    return act


@pytest.mark.parametrize("late", [False, True], ids=["its event is first", "the answer is first"])
def test_a_run_is_replaced_during_a_pass(late: bool) -> None:
    async def story(site: Site) -> None:
        path = site.create()
        old = site.server.objects[path]["metadata"]["uid"]
        site.server.fault = during("PATCH", "status", replaced_during_a_pass(site, late=late))
        await site.operator.settle()
        new = site.server.objects[path]
        assert new["metadata"]["uid"] != old
        # Now the events arrive that the answers were quicker than, and a LIST.
        site.operator.hear("ADDED", new)
        site.operator.list()
        await site.operator.settle()
        assert site.operator.cache.runs.get(old) is None
        assert site.status().observed_generation == 1
        (fresh,) = [
            p
            for p in site.jobs()
            if site.job(p)["metadata"]["labels"]["isheep.dev/run-uid"] == new["metadata"]["uid"]
        ]
        assert site.order(fresh).run.uid == new["metadata"]["uid"]
        # Nothing that was planned for the old one was written into the new one.
        resolved = site.status().resolved
        assert resolved is not None
        assert resolved["spec"]["iterations"] == 2

    # The old run's Job is the garbage collector's.
    play(lambda site: _unguarded(site, story))


async def _unguarded(site: Site, story: Any) -> None:
    site.guard = False
    await story(site)


def test_a_run_that_is_gone_is_forgotten() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        site.server.remove(path)
        await site.operator.settle()
        assert site.operator.reconciler._memories == {}

    play(story)


# --- what is written, and when ----------------------------------------------------------


async def at_work(site: Site) -> str:
    """Bring a run's first Job to work; returns its path."""
    site.create()
    await site.operator.settle()
    (job,) = site.jobs()
    site.work(job)
    await site.operator.settle()
    return job


def test_nothing_is_written_when_nothing_has_changed() -> None:
    async def story(site: Site) -> None:
        await at_work(site)
        requests = site.server.count("PATCH"), site.server.count("POST"), site.server.count("PUT")
        for _ in range(5):
            site.operator.queue.wake(site.uid())
            await site.operator.settle()
            await asyncio.sleep(3)
        assert requests == (
            site.server.count("PATCH"),
            site.server.count("POST"),
            site.server.count("PUT"),
        )

    play(story)


def test_nothing_is_planned_anew_for_what_no_plan_asks_for() -> None:
    async def story(site: Site) -> None:
        job = await at_work(site)
        passes, plans = site.operator.passes[site.uid()], site.operator.plans
        site.work(job, active=0, ready=0)
        await site.operator.settle()
        assert site.operator.passes[site.uid()] > passes
        assert site.operator.plans == plans
        site.complete(job)
        await site.operator.settle()
        assert site.operator.plans > plans
        (following,) = site.jobs()
        assert following != job

    play(story)


def test_a_run_at_its_end_is_left_alone() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.drive()
        requests = len(site.server.requests)
        site.operator.queue.wake(site.uid())
        await site.operator.settle(100_000)
        site.begin()
        await site.operator.settle(100_000)
        assert len(site.server.requests) == requests

    play(story)


async def at_respond(site: Site) -> str:
    """Bring a run to a stage that counts; returns its Job."""
    site.create()
    for _ in range(50):
        await site.operator.settle()
        site.collect()
        await site.operator.settle()
        (job,) = site.jobs()
        if site.order(job).steps[0].kind == "respond":
            return job
        site.complete(job)
        await asyncio.sleep(1)
    raise AssertionError("no respond")


def test_progress_is_written_once_a_minute_at_most() -> None:
    async def story(site: Site) -> None:
        job = await at_respond(site)
        site.session.answer = lambda url: {"itemsDone": int(monotonic()), "itemsTotal": 10_000}
        site.work(job)
        await site.operator.settle()
        patches: list[float] = []

        def note(method: str, path: str) -> None:
            if method == "PATCH":
                patches.append(monotonic())

        site.server.fault = note
        await asyncio.sleep(60)
        for _ in range(60):
            await asyncio.sleep(10)
            site.operator.queue.wake(site.uid())
            await site.operator.settle()
        assert 9 <= len(patches) <= 11
        assert all(b - a >= 60 for a, b in pairwise(patches))
        stage = site.status().stage
        assert stage is not None
        assert (stage.items_total, site.status().progress) == (10_000, "1/1 respond 6%")
        assert monotonic() - 100 < (stage.items_done or 0) <= monotonic()
        assert set(site.session.asked) == {"http://10.0.0.7:8080/progress"}

    play(story)


def test_an_end_is_written_at_once_though_progress_was_just_written() -> None:
    async def story(site: Site) -> None:
        job = await at_respond(site)
        site.session.answer = lambda url: {"itemsDone": 7, "itemsTotal": 40}
        site.work(job)
        await site.operator.settle(90)
        site.complete(job)
        await site.operator.settle()
        assert "i1/respond" in {r.id for r in site.status().stages if r.committed}

    play(story)


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": "one"},
        {"observedGeneration": 1, "stages": [{"id": 3}]},
        {"observedGeneration": 1, "conditions": "none", "phase": "Running"},
    ],
)
def test_a_status_that_cannot_be_read_is_made_anew(status: dict[str, Any]) -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        for job in site.jobs():
            site.complete(job)
        await site.operator.settle()
        site.collect()
        await site.operator.settle()
        site.server.change(path, status=status)
        site.guard = False
        await site.drive()
        assert site.operator.failures == []

    site = play(story)
    assert site.status().phase == "Succeeded"
    # Nothing is made twice: what is committed is found.
    assert all(times == 1 for times in site.world.committed.values())


@pytest.mark.parametrize("resolved", [{}, {"generation": 1, "spec": "none"}, {"generation": "x"}])
def test_a_resolved_spec_that_cannot_be_read_is_made_anew(resolved: dict[str, Any]) -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        status = site.server.objects[path]["status"]
        site.server.change(path, status={**status, "resolved": resolved})
        await site.operator.settle()
        assert site.status().resolved != resolved

    play(story)


# --- the user ---------------------------------------------------------------------------


def test_suspend_deletes_jobs_and_resume_makes_the_next_attempt() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        site.server.change(path, spec={**SHORT, "suspend": True})
        await site.operator.settle()
        assert site.status().phase == "Suspended"
        assert "deletionTimestamp" in site.job(job)["metadata"]
        site.collect()
        await site.operator.settle(10_000)
        assert site.jobs(active=False) == []
        site.server.change(path, spec=SHORT)
        await site.operator.settle()
        (job,) = site.jobs()
        assert site.order(job).attempt == 2
        await site.drive()

    site = play(story)
    assert site.status().phase == "Succeeded"


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_a_job_that_is_gone_when_it_is_to_be_deleted(told: bool) -> None:
    """Somebody deletes it at the moment of an edit that resumes at once."""

    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        (job,) = site.jobs()

        def gone() -> None:
            site.operator.deaf = not told
            site.server.remove(job)

        site.server.fault = during("DELETE", "jobs", gone)
        site.server.change(path, spec=spec_with(iterations=1, model={"storageUri": "hf://a/b"}))
        await site.operator.settle()
        site.operator.deaf = False
        site.operator.list()
        await asyncio.sleep(3600)
        await site.operator.settle()
        assert len(site.jobs()) == 1

    play(story)


def test_another_of_the_name_is_not_deleted_in_its_place() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        site.guard = False

        def replace() -> None:
            document = site.job(job)
            site.server.remove(job)
            metadata = {k: document["metadata"][k] for k in ("name", "namespace")}
            site.server.put(JOBS, {**document, "metadata": metadata})

        site.server.fault = during("DELETE", "jobs", replace)
        site.server.change(path, spec={**SHORT, "suspend": True})
        await site.operator.settle()
        assert "deletionTimestamp" not in site.job(job)["metadata"]
        assert site.operator.failures == []

    play(story)


def test_a_failed_run_is_retried_when_it_is_asked_to() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        site.fail(job, 70, "Traceback: boom")
        await site.operator.settle()
        failure = site.status().last_failure
        assert failure is not None
        assert (site.status().phase, failure.reason) == ("Failed", "Defect")
        assert "boom" in failure.message
        assert failure.pod == f"{job.rpartition('/')[2]}-0"
        # The last failed one of a stage stays, with its logs.
        await site.operator.settle(10_000)
        assert site.jobs(active=False) == [job]
        site.server.change(path, metadata={"annotations": {"isheep.dev/retry": "1"}})
        await site.operator.settle()
        assert site.order(site.jobs()[0]).attempt == 2
        await site.drive()
        assert site.status().last_handled_retry == "1"

    site = play(story)
    assert site.status().phase == "Succeeded"


def test_a_counted_failure_is_tried_again_after_a_while() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        site.fail(site.jobs()[0], 74)
        await site.operator.settle()
        assert site.jobs() == []
        await site.operator.settle(9)
        assert site.jobs() == []
        await site.operator.settle(5)
        assert [site.order(j).attempt for j in site.jobs()] == [2]
        await site.drive()

    assert play(story).status().phase == "Succeeded"


def test_a_queue_admits_jobs() -> None:
    async def story(site: Site) -> None:
        site.create(labels={"kueue.x-k8s.io/queue-name": "gpus"})
        await site.operator.settle()
        (job,) = site.jobs()
        assert site.job(job)["spec"]["suspend"] is True
        site.server.change(job, status={"conditions": [condition("Suspended")]})
        await site.operator.settle()
        assert (site.status().phase, site.ready()[0]) == ("Pending", "Queued")
        spec = {**site.job(job)["spec"], "suspend": False}
        site.server.change(job, spec=spec)
        site.work(job)
        await site.operator.settle()
        assert site.ready()[0] == "Running"
        # Nobody but Kueue touches that field.
        assert site.server.count("PUT", "jobs") == site.server.count("PATCH", "jobs") == 0

    play(story)


# --- pods -------------------------------------------------------------------------------


def test_a_missing_secret_is_told_and_recovers() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        waiting = {"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'}
        site._pod(job, {"containerStatuses": [{"name": "worker", "state": {"waiting": waiting}}]})
        site.server.change(job, status={"active": 1, "ready": 0})
        await site.operator.settle(10)
        assert site.ready()[0] != "SecretNotFound"
        await asyncio.sleep(6)
        await site.operator.settle()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", "SecretNotFound")
        assert len(site.jobs()) == 1
        site.work(job)
        await site.operator.settle()
        assert site.status().phase == "Running"
        await site.drive()

    check_end(play(story))


def test_a_quota_on_pods_is_told_by_the_jobs_events() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        event = {
            "metadata": {"generateName": "e."},
            "involvedObject": {"uid": site.job(job)["metadata"]["uid"]},
            "reason": "FailedCreate",
            "message": 'Error creating: pods "x" is forbidden: exceeded quota: pods',
        }
        site.server.put("/api/v1/namespaces/ns/events", event)
        await asyncio.sleep(16)
        await site.operator.settle()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", "QuotaExceeded")

    play(story)


def test_a_job_that_has_ended_is_at_work_until_its_pods_were_seen() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        (job,) = site.jobs()

        def unreachable() -> None:
            raise Fault(after=False)

        site.server.fault = during("GET", "pods", unreachable, times=3)
        site.complete(job)
        await site.operator.settle()
        assert len(site.operator.failures) == 1
        assert len(site.jobs(active=False)) == 1
        await site.drive()

    check_end(play(story))


# --- several runs, several operators ----------------------------------------------------


def test_two_runs_that_want_the_same_make_it_once() -> None:
    async def story(site: Site) -> None:
        site.create("one")
        site.create("two")
        await site.drive("one", "two")

    site = play(story)
    assert all(times == 1 for times in site.world.committed.values())
    for name in ("one", "two"):
        assert site.status(name).phase == "Succeeded"
    assert [r.key for r in site.status("one").stages] == [r.key for r in site.status("two").stages]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_many_workers_pass_over_many_runs(seed: int) -> None:
    # Halves of halves, which add up exactly: a timer must not come a hair too early.
    chance = random.Random(seed)
    names = [f"run-{number}" for number in range(4)]

    async def worker(site: Site) -> None:
        while True:
            await site.operator.one(None)

    async def story(site: Site) -> None:
        site.server.latency = lambda: chance.choice([0, 0.0625, 0.125])
        site.server.fault = at_random(seed, 0.05)
        for name in names:
            site.create(name)
        tasks = [asyncio.create_task(worker(site)) for _ in range(3)]
        for _ in range(2000):
            await asyncio.sleep(chance.choice([0, 0.0625, 0.5]))
            site.collect()
            for path in site.jobs():
                if chance.random() < 0.5:
                    site.complete(path)
            if all(site.over(name) for name in names):
                break
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.wait(tasks, timeout=5)

    site = play(story)
    assert all(times == 1 for times in site.world.committed.values())
    assert {site.status(name).phase for name in names} == {"Succeeded"}


@pytest.mark.parametrize("restarted", [False, True])
def test_the_next_one_goes_on_where_the_first_is_deleted(restarted: bool) -> None:
    async def story(site: Site) -> None:
        for name in ("one", "two"):
            site.create(name)
        for _ in range(2):
            await site.operator.settle()
            for job in site.jobs():
                if site.order(job).steps[0].id == "prepare":
                    site.complete(job)
            await site.operator.settle()
            site.collect()
            await asyncio.sleep(1)
        await site.operator.settle()
        assert site.ready("two")[0] == "WaitingForPeer"
        (job,) = site.jobs()
        site.server.remove(f"{RUNS}/one")
        await site.operator.settle()
        if restarted:
            site.begin()
            await site.operator.settle()
        assert site.jobs() == [job]
        assert site.ready("two")[0] == "WaitingForPeer"
        # Its Job is deleted after it, by the garbage collector.
        site.server.remove(job)
        await site.operator.settle()
        (job,) = site.jobs()
        assert site.order(job).run.name == "two"

    play(story)


def test_who_does_not_hold_the_lease_writes_nothing() -> None:
    def writes(server: Server) -> int:
        return sum(1 for m, p in server.requests if m != "GET" and "leases" not in p)

    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        before = writes(site.server)
        # The one that holds it says no more, and its Lease has yet to run out.
        site.begin("another")
        site.complete(job)
        await site.operator.settle(29)
        assert (writes(site.server), site.operator.passes.total() > 0) == (before, True)
        await site.operator.settle(5)
        assert writes(site.server) > before
        assert site.operator.failures == []
        await site.drive()

    check_end(play(story))


def test_each_write_is_over_before_the_lease_is() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        site.complete(site.jobs()[0])
        # An API server that takes 9 seconds for each request; TIMEOUT_SECONDS are 10.
        site.server.latency = lambda: 4.5
        lease = site.operator.reconciler._actions._lease
        left: list[float] = []

        def note(method: str, path: str) -> None:
            if method != "GET" and "leases" not in path:
                left.append(lease._valid_until - monotonic())

        await asyncio.sleep(100)
        site.server.fault = note
        await site.operator.settle()
        assert left
        assert min(left) >= MARGIN_SECONDS - 4.5

    play(story)


@pytest.mark.parametrize("status", [403, 422])
def test_a_lease_that_may_not_be_written_is_no_refusal_of_a_job(status: int) -> None:
    async def story(site: Site) -> None:
        site.create()
        site.server.fault = during("POST", "leases", refusing(status, "no leases"), times=3)
        await site.operator.settle()
        assert [str(error) for error in site.operator.failures] == ["no leases"]
        assert site.operator.reconciler._memories[site.uid()].rejections.due() == []
        await site.drive()

    check_end(play(story))


# --- what others write ------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        "nonsense",
        '[{"id": "i1/respond"}]',
        '[{"id": "i1/respond", "key": []}]',
        "[" * 100_000,
    ],
    ids=["no JSON", "no key", "a list for a key", "deep"],
)
def test_a_tenants_job_stops_nobody_else(steps: str) -> None:
    """Whoever may create Jobs in one namespace may set our labels and annotations on them."""

    async def story(site: Site) -> None:
        path = site.create("theirs")
        site.guard = False
        labels = {
            "app.kubernetes.io/managed-by": "isheep-operator",
            "isheep.dev/run-uid": site.server.objects[path]["metadata"]["uid"],
        }
        metadata = {"name": "x", "namespace": "ns", "labels": labels}
        site.server.watchers.clear()
        hostile = {
            "kind": "Job",
            "metadata": {**metadata, "annotations": {"isheep.dev/steps": steps}},
        }
        site.server.put(JOBS, hostile)
        site.create("other")
        await _begin_after(site)
        assert site.status("other").observed_generation == 1

    play(story)


async def _begin_after(site: Site) -> None:
    """Start an operator that finds what is there by its first LIST."""
    site.server.watchers.append(site.operator.hear)
    site.begin()
    await site.operator.settle()


def test_jobs_of_other_namespaces_are_not_looked_at() -> None:
    async def story(site: Site) -> None:
        path = site.create()
        await site.operator.settle()
        job = json.loads(json.dumps(site.job(site.jobs()[0])))
        job["metadata"] = {
            "name": "x",
            "namespace": "elsewhere",
            "labels": {
                "isheep.dev/run-uid": site.server.objects[path]["metadata"]["uid"],
                "app.kubernetes.io/managed-by": "isheep-operator",
            },
            "annotations": job["metadata"]["annotations"],
        }
        job["status"] = {"conditions": [condition("Complete")]}
        site.guard = False
        site.server.put(jobs_path("elsewhere"), job)
        await site.operator.settle()
        assert not [p for _, p in site.server.requests if "elsewhere" in p]

    play(story)


def test_a_tenants_pods_that_do_not_answer_hold_up_nobody() -> None:
    """A pass of more than 120 seconds is taken for a hanging process, which is restarted."""

    async def silence(url: str) -> Any:
        await asyncio.sleep(POLL_SECONDS)
        raise TimeoutError

    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        site.guard = False
        site.session.answer = silence
        template = site.job(site.jobs()[0])
        for number in range(80):
            labels = template["metadata"]["labels"]
            steps = {"isheep.dev/steps": f'[{{"id":"i1/respond","key":"{number}"}}]'}
            metadata = {"name": f"x{number}", "namespace": "ns", "labels": labels}
            site.server.put(JOBS, {**template, "metadata": {**metadata, "annotations": steps}})
            site.work(f"{JOBS}/x{number}")
        await asyncio.sleep(60)
        begun = monotonic()
        await site.operator.one()
        assert monotonic() - begun < PASS_SECONDS

    play(story)


def test_a_job_whose_annotations_were_taken_away_is_told_when_its_name_is_needed() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        (job,) = site.jobs()
        site.guard = False
        site.server.change(job, metadata={"annotations": {}})
        await site.operator.settle()
        assert (site.status().phase, site.ready()[0]) == ("Stalled", "JobNameConflict")
        site.server.remove(job)
        await asyncio.sleep(60)
        await site.operator.settle()
        assert [site.order(j).steps[0].id for j in site.jobs()] == ["prepare"]

    play(story)


def test_pods_are_those_of_the_job() -> None:
    async def story(site: Site) -> None:
        site.create()
        await site.operator.settle()
        site.complete(site.jobs()[0])
        other = {"name": "other", "labels": {"batch.kubernetes.io/controller-uid": "another"}}
        site.server.put(PODS, {"metadata": other, "status": {"phase": "Failed", "reason": "x"}})
        await site.operator.settle()
        assert site.status().last_failure is None

    play(story)
