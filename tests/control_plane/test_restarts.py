"""The operator killed, doubled, upgraded, cut off and left idle: runs do not notice."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from .harness.api import MERGE_PATCH
from .harness.behaviour import Held
from .harness.company import Company
from .harness.laws import steps_of
from .harness.observer import JOBS
from .harness.operator_process import HURRY, SHORT_LEASE, UPGRADE, OperatorProcess
from .harness.proxy import Proxy, Recorded
from .harness.runs import Run
from .harness.scene import Scene
from .harness.servers import free_port
from .harness.stories import Companies, alone
from .harness.waiting import always, until

LAST = Run().skip_to("i1/train")
"""prepare, train, merge, report."""
ORDER = ["prepare", "i1/train", "i1/merge", "i1/report"]
IDLE_SECONDS = 20.0


def outcome(status: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same however a run came to its end."""
    return {
        "phase": status["phase"],
        "conditions": sorted((c["type"], c["status"], c["reason"]) for c in status["conditions"]),
        "stages": [(s["id"], s["key"], s["committed"], s["attempts"]) for s in status["stages"]],
        "history": [{k: v for k, v in h.items() if k != "gpuSeconds"} for h in status["history"]],
        "uris": [status[name].rpartition("/stages/")[2] for name in ("modelUri", "reportUri")],
    }


@pytest.mark.parametrize("lives", [(1,), (2, 3, 1, 4)], ids=["each", "some"])
def test_killed_after_its_writes_the_operator_comes_to_the_same_end(
    company: Companies, lives: tuple[int, ...]
) -> None:
    """Each process lives for so many writes; every second one never hears of its last."""
    expected = undisturbed(company)
    made, scene = company()
    scene.create(LAST)
    killed: list[str] = []

    def live(writes: int, *, early: bool) -> None:
        left = [writes]

        def count(request: Recorded) -> None:
            left[0] -= 1
            if left[0] == 0:
                killed.append(str(request))
                made.operator.kill()

        made.proxy.after_write(count, early=early)
        made.operator.start(wait=False)
        scene.until(lambda: not made.operator.is_alive() or is_over())

    def is_over() -> bool:
        return scene.phase() == "Succeeded" and not scene.jobs()

    for number, writes in enumerate(itertools.cycle(lives)):
        live(writes, early=number % 2 == 1)
        if made.operator.is_alive():
            break
        assert number < 100, "\n".join(killed)
    assert len(killed) > 2 * len(ORDER) // max(lives), "\n".join(killed)
    assert outcome(scene.status()) == expected
    assert scene.started() == ORDER


def undisturbed(company: Companies) -> dict[str, Any]:
    """Return how a run ends that nobody disturbs."""
    made, scene = company()
    made.start()
    scene.create(LAST)
    scene.until_phase("Succeeded")
    scene.until(lambda: not scene.jobs())
    return outcome(scene.status())


def test_two_operators_write_one_after_the_other(company: Companies) -> None:
    patches = {**SHORT_LEASE, **HURRY}
    made, scene = company(patches=patches, lease_seconds=8)
    made.start()
    plane = scene.plane
    proxy = Proxy(plane.server, plane.rights.token, plane.background)
    proxy.start()
    config = {**made.operator.config, "httpPort": free_port()}
    second = OperatorProcess(
        made.folder / "second", proxy.kubeconfig, config, "operator-1", patches
    )
    try:
        second.start()
        for name in ("one", "two", "three"):
            scene.create(LAST.named(name).spec(randomSeed=len(name)))
        for name in ("one", "two", "three"):
            scene.until_phase("Succeeded", name)
        writers = [bool(made.proxy.writes()), bool(proxy.writes())]
        assert sorted(writers) == [False, True], "one of them wrote, and the other did not"
        first, other = (made.operator, second) if writers[0] else (second, made.operator)
        loser = proxy if writers[0] else made.proxy

        # The one that holds the Lease dies without a word: the other waits until it ran out.
        scene.workshop.tell("train", Held())
        scene.create(LAST.named("four").spec(randomSeed=4))
        scene.until_at_work("i1/train", "four")
        first.kill()
        first.wait()
        scene.workshop.mend("train")
        scene.until_phase("Succeeded", "four")
        assert scene.started("four") == ORDER
        assert loser.writes()

        # Back again, it lets the other one be; asked to stop, that one hands over at once.
        winner = made.proxy if writers[0] else proxy
        first.start()
        count = len(winner.writes())
        scene.create(LAST.named("five").spec(randomSeed=55))
        scene.until_phase("Succeeded", "five")
        assert len(winner.writes()) == count
        assert other.stop() == 0
        scene.create(LAST.named("six").spec(randomSeed=66))
        scene.until_phase("Succeeded", "six")
        assert len(winner.writes()) > count
    finally:
        if second.process is not None and second.is_alive():
            second.stop()
        proxy.stop()


def test_an_upgrade_retrains_nothing(company: Companies) -> None:
    made, scene = company()
    made.start()
    scene.workshop.tell("train", Held(), run="running")
    scene.create(LAST.named("finished"))
    scene.until_phase("Succeeded", "finished")
    scene.create(LAST.named("running").spec(randomSeed=1))
    scene.until_at_work("i1/train", "running")
    scene.settle()
    assert made.operator.stop() == 0
    before = scene.run("finished")["metadata"]["resourceVersion"]

    made.operator.patches = {**UPGRADE, **HURRY}
    made.operator.config["workerImage"] = "isheep-worker@sha256:" + "1" * 64
    made.operator.start()
    scene.workshop.mend("train", run="running")
    scene.until_phase("Succeeded", "running")
    assert scene.started("running") == ORDER
    assert scene.started("finished") == ORDER
    assert scene.run("finished")["metadata"]["resourceVersion"] == before
    images = {image_of(job)[-1] for job in scene.jobs_made("running")}
    assert images == {"0"}, "image and stage versions belong together"

    # An edit that changes no output, or a little of it, makes no more than that anew.
    scene.edit("finished", training={"numTrainEpochs": 3})
    scene.until_phase("Succeeded", "finished")
    assert scene.started("finished") == [*ORDER, *ORDER]
    assert scene.workshop.committed[scene.keys["i1/train"]] == 1

    # Only a new run is made with the new version.
    scene.create(LAST.named("new").spec(randomSeed=2))
    scene.until_phase("Succeeded", "new")
    old = scene.status("running")["resolved"]["stageVersions"]["train"]
    assert scene.status("new")["resolved"]["stageVersions"]["train"] == old + 1
    assert len(scene.started("new")) == 9, "nothing of another version is taken over"
    assert {image_of(job)[-1] for job in scene.jobs_made("new")} == {"1"}


def test_idle_with_finished_runs_the_operator_writes_nothing(company: Companies) -> None:
    """Not even its Lease; it lists and watches, and that is all."""
    timings = {"firstLookSeconds": 1, "lookSeconds": 1, "pollSeconds": 1, "listSeconds": 2}
    made, scene = company(timings=timings)
    made.start()
    run = Run().skip_to("i1/report")
    names = [f"run-{n}" for n in range(20)]
    for seed, name in enumerate(names):
        scene.create(run.named(name).spec(randomSeed=seed))
    for name in names:
        scene.until_phase("Succeeded", name)
    scene.until(lambda: not any(scene.jobs(name) for name in names))
    scene.settle(2.0)
    before = len(made.proxy.requests)
    time.sleep(IDLE_SECONDS)
    asked = made.proxy.requests[before:]
    assert [str(request) for request in asked if request.is_write] == []
    assert {request.resource for request in asked} <= {"selfalignmentruns", "jobs"}


def test_a_waiting_run_costs_no_writes_either(company: Companies) -> None:
    made, scene = company()
    made.start()
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    scene.settle(2.0)
    before = len(made.proxy.requests)
    time.sleep(5)
    asked = made.proxy.requests[before:]
    assert [str(r) for r in asked if r.is_write and r.resource != "leases"] == []
    scene.workshop.mend("train")
    scene.until_phase("Succeeded")


def test_an_outage_of_the_api_server_is_survived(company: Companies) -> None:
    made, scene = company()
    made.start()
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    with made.proxy.outage():
        scene.workshop.mend("train")
        scene.until(
            lambda: "i1/train" in [steps_of(job)[0][0] for job in scene.jobs(finished=True)]
        )
        always(made.operator.is_alive, 4, otherwise="the operator has ended")
        assert made.operator.answers("/healthz") == 200
    scene.until_phase("Succeeded")
    assert scene.started() == ORDER


def test_an_operator_that_comes_later_waits_for_the_job_of_a_deleted_run(
    company: Companies,
) -> None:
    """The run went while nobody looked, and the garbage collector is slow."""
    made, scene = company()
    made.start()
    scene.workshop.tell("train", Held(), run="older")
    scene.create(LAST.named("older"))
    job = scene.until_at_work("i1/train", "older")
    scene.create(LAST.named("younger"))
    scene.until_reason("WaitingForPeer", "younger")
    made.operator.kill()
    path = scene.jobs_path(job["metadata"]["name"])
    hold = {"metadata": {"finalizers": ["isheep.test/hold"]}}
    scene.api.must("PATCH", path, hold, content_type=MERGE_PATCH)
    scene.delete("older")
    made.operator.start()
    scene.settle()
    assert scene.reason("younger") == "WaitingForPeer"
    assert "older" in scene.message("younger")
    release = {"metadata": {"finalizers": None}}
    scene.api.must("PATCH", path, release, content_type=MERGE_PATCH)
    scene.until_phase("Succeeded", "younger")


def test_an_api_server_that_is_away_at_the_start_is_waited_for(company: Companies) -> None:
    made, scene = company()
    scene.create(LAST)
    with made.proxy.outage():
        made.operator.start(wait=False)
        until(lambda: made.operator.answers("/healthz") == 200, otherwise=made.operator.tail)
        assert made.operator.answers("/readyz") == 503
    scene.until_phase("Succeeded")
    assert made.operator.is_ready()


def test_a_slow_api_server_is_no_reason_to_do_things_twice(company: Companies) -> None:
    made, scene = company()
    made.start()
    made.proxy.delay_seconds = 0.5
    scene.create(LAST)
    scene.until_phase("Succeeded")
    made.proxy.mend()
    assert scene.started() == ORDER


def test_watches_that_end_are_taken_up_again(company: Companies) -> None:
    made, scene = company()
    made.start()
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    made.proxy.cut_watches()
    scene.workshop.mend("train")
    scene.until_phase("Succeeded")
    assert scene.started() == ORDER


def lose_what_happened(made: Company, scene: Scene) -> None:
    """While nobody listens, delete a run that others wait for, and a Job."""
    older = scene.until_at_work("i1/train", "older")
    lost = scene.until_at_work("i1/train", "robbed")
    with made.proxy.outage():
        scene.workshop.mend("train")
        scene.delete("older")
        scene.delete_job(lost["metadata"]["name"])
        uids = {older["metadata"]["uid"], lost["metadata"]["uid"]}
        scene.until(lambda: not uids & {j["metadata"]["uid"] for j in latest_jobs(scene)})
        marker = scene.create(Run("marker").spec(suspend=True))
        made.proxy.expire_before(int(marker["metadata"]["resourceVersion"]))
        scene.api.compact()


def latest_jobs(scene: Scene) -> list[dict[str, Any]]:
    return list(scene.plane.observer.latest(JOBS, scene.namespace).values())


def test_deletions_that_nobody_told_of_are_found_out(company: Companies) -> None:
    """What is deleted while a watch is down, and forgotten before it comes back, leaves ghosts."""
    made, scene = with_a_peer_and_a_job_to_lose(company)
    lose_what_happened(made, scene)
    scene.until_phase("Succeeded", "younger")
    scene.until_phase("Succeeded", "robbed")


@alone
def test_an_api_server_that_has_lost_its_memory_leaves_no_ghosts_either(
    company: Companies,
) -> None:
    """The same with a real one, started anew after a compaction."""
    made, scene = with_a_peer_and_a_job_to_lose(company)
    lose_what_happened(made, scene)
    made.proxy.expire_before(0)
    scene.plane.servers.restart_api_server(scene.api)
    scene.until_phase("Succeeded", "younger")
    scene.until_phase("Succeeded", "robbed")


def with_a_peer_and_a_job_to_lose(company: Companies) -> tuple[Company, Scene]:
    timings = {"firstLookSeconds": 1, "lookSeconds": 1, "pollSeconds": 1, "listSeconds": 3}
    made, scene = company(timings=timings)
    made.start()
    scene.workshop.tell("train", Held())
    scene.create(LAST.named("older"))
    scene.until_at_work("i1/train", "older")
    scene.create(LAST.named("younger"))
    scene.until_reason("WaitingForPeer", "younger")
    scene.create(LAST.named("robbed").spec(randomSeed=1))
    return made, scene


def test_a_run_outside_the_watched_namespaces_is_left_alone(company: Companies) -> None:
    made, scene = company()
    made.start()
    elsewhere = scene.plane
    elsewhere.open_namespace(f"{scene.namespace}-other")
    path = f"/apis/isheep.dev/v1alpha1/namespaces/{scene.namespace}-other/selfalignmentruns"
    scene.api.must("POST", path, LAST.document())
    scene.create(LAST)
    scene.until_phase("Succeeded")
    assert scene.api.get(f"{path}/run")["status"] == {"observedGeneration": -1}
    assert not [r for r in made.proxy.requests if f"/{scene.namespace}-other/" in r.path]
    elsewhere.close_namespace(f"{scene.namespace}-other")


@alone
def test_all_namespaces_are_watched_where_none_is_named(company: Companies) -> None:
    made, scene = company(watchNamespaces=[])
    made.start()
    scene.create(LAST)
    scene.until_phase("Succeeded")
    assert scene.started() == ORDER
    assert any(r.path == "/apis/batch/v1/jobs" for r in made.proxy.requests)


def test_the_installed_command_works_with_its_own_timings(company: Companies) -> None:
    """Nothing is hurried here: what the chart starts, as it starts it."""
    made, scene = company(patches={}, timings={})
    made.start()
    scene.create(Run().skip_to("i1/report"))
    scene.until_phase("Succeeded")
    status, text = made.operator.page("/metrics")
    assert status == 200
    assert "isheep_" in text
    assert made.operator.stop() == 0


def test_metrics_count_runs_and_health_is_told(company: Companies) -> None:
    made, scene = company()
    made.start()
    scene.workshop.tell("train", Held(), run="held")
    scene.create(LAST.named("held"))
    scene.create(Run("suspended").spec(suspend=True))
    scene.until_at_work("i1/train", "held")
    scene.until_phase("Suspended", "suspended")
    assert made.operator.answers("/healthz") == made.operator.answers("/readyz") == 200
    assert made.operator.answers("/elsewhere") == 404
    _, text = made.operator.page("/metrics")
    counted = {line for line in text.splitlines() if line.startswith("isheep_runs{")}
    assert 'isheep_runs{phase="Running"} 1.0' in counted
    assert 'isheep_runs{phase="Suspended"} 1.0' in counted
    scene.delete("held")
    scene.until(lambda: 'isheep_runs{phase="Running"} 1.0' not in made.operator.page("/metrics")[1])


def test_a_configuration_that_cannot_be_used_is_told_and_ends_it(company: Companies) -> None:
    made, _ = company(patches={}, workerImage="")
    made.operator.start(wait=False)
    assert made.operator.wait() == 64
    assert "workerImage" in made.operator.tail()


def test_progress_is_asked_of_a_pod_and_shown(company: Companies) -> None:
    port = {"isheep.kube.names:HTTP_PORT": 18080}
    made, scene = company(patches={**port, **HURRY})
    made.start()
    scene.workshop.tell("respond", Held(progress=(41, 100)))
    scene.create(Run().spec(instructions={"count": 100}).skip_to("i1/respond"))
    scene.until(lambda: scene.status().get("stage", {}).get("itemsDone") == 41)
    assert scene.status()["progress"] == "1/1 respond 41%"
    assert scene.status()["stage"]["itemsTotal"] == 100
    scene.workshop.mend("respond")
    scene.until_phase("Succeeded")


def test_a_run_written_by_somebody_else_meanwhile_is_read_again(company: Companies) -> None:
    """A status is written only over the version that it was planned from."""
    made, scene = company()
    made.start()
    scene.workshop.tell("train", Held())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    made.proxy.delay_seconds = 0.3
    scene.workshop.mend("train")
    for number in range(8):
        labels = {"metadata": {"labels": {"touched": str(number)}}}
        scene.api.must("PATCH", scene.runs_path("run"), labels, content_type=MERGE_PATCH)
        time.sleep(0.25)
    made.proxy.mend()
    scene.until_phase("Succeeded")
    assert scene.started() == ORDER


def image_of(job: dict[str, Any]) -> str:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return str(container["image"])
