"""The invariants about queues, lost nodes and wrong clocks, and the faults of rare themes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from isheep.contract.reasons import Reason

from . import simulate as simulation
from .api_server import JOBS, PODS, RUNS, WORKLOADS, Json
from .connection import RequestFault
from .faults import draw
from .history import History
from .invariants import (
    lost_in_time,
    names_silent_nodes,
    one_job,
    one_writer,
    reacts,
    true_queue,
    violations,
)
from .invariants.disturbances import calm_times
from .kubelet import JOB_NAME, KILLED, STOPPED
from .nodes import Silence
from .queue import JOB_UID_LABEL, NOTICE_SECONDS, QUEUE_LABEL
from .reactions import begins_to_wait
from .readings import is_prepared
from .test_invariants import history, job, request, run, stage, time
from .themes import RARE, RARE_SHARE, Reaction, Theme, draw_theme

MOVED = (5.0, "Act(kind='move-queue', seconds=3.0, value=None)")
BACK = (5.0, "Act(kind='clock', seconds=3.0, value=-5400)")
NODE = "node-1"


def with_faults(found: History, *faults: tuple[float, str]) -> History:
    return replace(found, faults=faults)


def in_queue(document: Json, queue: str) -> Json:
    """Return a run or a Job with the label of a queue."""
    metadata = document["metadata"]
    labels = {**metadata.get("labels", {}), QUEUE_LABEL: queue}
    return {**document, "metadata": {**metadata, "labels": labels}}


@pytest.mark.parametrize(
    ("queue", "suspend", "at", "found"),
    [
        ("old", True, 40.0, 1),
        ("old", True, 9.0, 0),
        ("new", True, 40.0, 0),
        ("old", False, 40.0, 0),
    ],
)
def test_a_suspended_job_that_stays_in_the_old_queue_is_a_violation(
    queue: str, suspend: bool, at: float, found: int
) -> None:
    rows = [
        (0.0, "ADDED", RUNS, in_queue(run(), "old")),
        (1.0, "ADDED", JOBS, in_queue(job(suspend=suspend), queue)),
        (5.0, "MODIFIED", RUNS, in_queue(run(), "new")),
        (at, "MODIFIED", RUNS, in_queue(run(reason="Queued"), "new")),
    ]
    assert len(true_queue.violations(with_faults(history(*rows), MOVED))) == found


def pod(*, marked: float | None = None, gone_by: float | None = None) -> Json:
    """Return a pod on a node that is marked as not ready or deleted at a time."""
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": time(marked or 0.0)}
    metadata: Json = {"name": "pod", "uid": "pod-1", "labels": {"isheep.dev/run-uid": "uid-1"}}
    if gone_by is not None:
        metadata["deletionTimestamp"] = time(gone_by)
    conditions = [] if marked is None else [ready]
    status = {"phase": "Running", "conditions": conditions}
    return {"metadata": metadata, "spec": {"nodeName": NODE}, "status": status}


def avoiding_job() -> Json:
    """Return a Job that excludes the node by its name."""
    rule = {"key": "metadata.name", "operator": "NotIn", "values": [NODE]}
    terms = {"nodeSelectorTerms": [{"matchFields": [rule]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return {**job(), "spec": {"template": {"spec": {"affinity": affinity}}}}


@pytest.mark.parametrize(
    ("fields", "at", "found"),
    [
        ({"marked": 40.0}, 60.0, 1),
        ({"marked": 40.0}, 341.0, 0),
        ({"gone_by": 40.0}, 41.0, 1),
        ({"gone_by": 40.0}, 101.0, 0),
        ({"gone_by": 400.0, "marked": 0.0}, 401.0, 1),
        ({}, 900.0, 1),
    ],
)
def test_a_job_that_avoids_a_node_too_early_is_a_violation(
    fields: dict[str, Any], at: float, found: int
) -> None:
    rows = [(0.0, "ADDED", RUNS, run()), (40.0, "MODIFIED", PODS, pod(**fields))]
    made = history(*rows, (at, "ADDED", JOBS, avoiding_job()))
    silent = replace(made, silences=(Silence(NODE, 0.0, 900.0, frozen=True),))
    assert len(lost_in_time.violations(silent)) == found


@pytest.mark.parametrize(
    ("node", "at", "found"),
    [(NODE, 60.0, 0), (NODE, 150.0, 0), (NODE, 170.0, 1), (NODE, 5.0, 1), ("node-2", 60.0, 1)],
)
def test_a_run_that_blames_a_node_that_answers_is_a_violation(
    node: str, at: float, found: int
) -> None:
    rows = [(0.0, "ADDED", RUNS, run()), (1.0, "ADDED", PODS, pod(gone_by=40.0))]
    rows += [(at, "MODIFIED", RUNS, run(reason="NodeLost")), (at, "MODIFIED", RUNS, run())]
    silences = (Silence(node, 10.0, 100.0, frozen=True),)
    made = replace(history(*rows), silences=silences)
    assert len(names_silent_nodes.violations(made)) == found
    assert names_silent_nodes.violations(with_faults(made, BACK)) == []


def prepared(**fields: Any) -> Json:
    """Return a run whose prepare is committed."""
    found = run(**fields)
    return {**found, "status": {**found["status"], "resolved": {"prepared": {}}}}


WAITING = run(reason="Retrying", stages=(stage(hold={"reason": "Retrying", "until": time(20)}),))


@pytest.mark.parametrize(("at", "found"), [(2000.0, 0), (5400.0, 1)])
def test_a_wait_ends_although_the_clock_was_set_back(at: float, found: int) -> None:
    rows = [(4.0, "ADDED", RUNS, WAITING), (at, "ADDED", JOBS, job())]
    assert len(reacts.violations(with_faults(history(*rows), BACK))) == found


@pytest.mark.parametrize(("at", "found"), [(56.0, 0), (64.0, 1)])
def test_a_wrong_clock_does_not_hide_the_end_of_a_job(at: float, found: int) -> None:
    rows = [
        (0.0, "ADDED", RUNS, prepared(reason="Queued")),
        (1.0, "ADDED", JOBS, job()),
        (55.0, "MODIFIED", JOBS, job(finished=True)),
        (at, "MODIFIED", RUNS, prepared(reason="Queued", stages=(stage(committed=True),))),
    ]
    assert len(reacts.violations(with_faults(history(*rows), BACK))) == found


def test_a_wrong_clock_disturbs_for_ever_or_only_when_it_is_set() -> None:
    made = with_faults(history(), BACK)
    assert not calm_times(made).holds(100.0, 200.0)
    assert calm_times(made, clocks=False).holds(100.0, 200.0)
    assert not calm_times(made, clocks=False).holds(0.0, 10.0)


def lease(at: float) -> tuple[float, str, str, Json]:
    spec = {"holderIdentity": "operator", "leaseDurationSeconds": 22}
    return at, "ADDED", "leases", {"metadata": {"name": "lease", "uid": "lease"}, "spec": spec}


@pytest.mark.parametrize(("renewed", "found"), [(True, 0), (False, 1)])
def test_a_lease_may_be_renewed_with_the_same_time(renewed: bool, found: int) -> None:
    status = "/namespaces/ns/selfalignmentruns/run/status"
    requests = [request(29.0, "PUT", "/namespaces/ns/leases/lease", 1)] if renewed else []
    requests.append(request(30.0, "PATCH", status, 2))
    assert len(one_writer.violations(history(lease(0.0), requests=tuple(requests)))) == found


def test_somebody_does_something_about_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    reaction = Reaction((Reason.RUNNING,), ("lose-deletion",), (20.0, 30.0))
    theme = Theme(groupings=("Run",), peers=False, reaction=reaction, alone=True)
    monkeypatch.setattr(simulation, "draw_theme", lambda _: theme)
    found = simulation.simulate(3)
    acts = [at for at, text in found.faults if "lose-deletion" in text]
    jobs = [change for change in found.changes if change.resource == JOBS]
    begins = [c.at for c in jobs if "deletionTimestamp" in c.document["metadata"]]
    assert any(at == begin for at in acts for begin in begins)
    assert violations(found) == []


REFUSED_JOBS = Theme(jobs=RequestFault.REFUSED, peers=False, alone=True)
TIMED_OUT = Theme(early="delay", jobs=RequestFault.TIMED_OUT, peers=False, alone=True)


@pytest.mark.parametrize(("theme", "creates"), [(REFUSED_JOBS, False), (TIMED_OUT, True)])
def test_a_request_that_times_out_creates_its_job(
    theme: Theme, creates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "draw_theme", lambda _: theme)
    found = simulation.simulate(3)
    refused = [one for one in found.requests if one.refusal is not None]
    jobs = {c.document["metadata"]["name"]: c for c in found.changes if c.kind == "ADDED"}
    assert refused
    assert {jobs[one.body["metadata"]["name"]].at <= one.at for one in refused} == {creates}
    assert violations(found) == []


def conditions_of(found: History) -> set[str]:
    """Return the reasons that the runs of a history have had."""
    runs = [change.document for change in found.changes if change.resource == RUNS]
    return {c["reason"] for one in runs for c in one["status"].get("conditions", ())}


def test_a_deadline_passes_while_jobs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (theme,) = (one for one in RARE if one.deadline is not None)
    monkeypatch.setattr(simulation, "draw_theme", lambda _: theme)
    found = simulation.simulate(3)
    assert conditions_of(found) >= {Reason.DEADLINE_EXCEEDED, Reason.SUCCEEDED}
    assert any("raise-deadline" in text for _, text in found.faults)
    assert violations(found) == []


def test_a_queue_is_slow_in_its_theme(monkeypatch: pytest.MonkeyPatch) -> None:
    theme = Theme(queued=True, peers=False, alone=True)
    monkeypatch.setattr(simulation, "draw_theme", lambda _: theme)
    found = simulation.simulate(3)
    begun = {c.document["metadata"]["uid"]: c.at for c in reversed(found.changes)}
    added = [c for c in found.changes if c.resource == WORKLOADS and c.kind == "ADDED"]
    owners = [c.document["metadata"]["labels"][JOB_UID_LABEL] for c in added]
    waits = [c.at - begun[uid] for c, uid in zip(added, owners, strict=True)]
    assert max(waits) > NOTICE_SECONDS[1]
    assert violations(found) == []


def test_a_run_that_is_late_is_prepared_and_then_suspended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theme = next(one for one in RARE if one.peer_groupings)
    monkeypatch.setattr(simulation, "draw_theme", lambda _: theme)
    found = simulation.simulate(3)
    runs = [change.document for change in found.changes if change.resource == RUNS]
    suspended = [one for one in runs if one["spec"].get("suspend")]
    assert suspended
    assert all(is_prepared(one) for one in suspended)
    assert violations(found) == []


def test_pods_that_stop_slowly_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    theme = Theme(
        peers=False,
        groupings=("Run",),
        reaction=Reaction((Reason.RUNNING,), ("evict-all",), (20.0, 30.0)),
        alone=True,
        slow_stops=True,
    )
    monkeypatch.setattr(simulation, "draw_theme", lambda _: theme)
    found = simulation.simulate(3)
    ends = [
        container["state"].get("terminated", {}).get("exitCode")
        for change in found.changes
        if change.resource == PODS and "deletionTimestamp" in change.document["metadata"]
        for container in change.document["status"].get("containerStatuses") or ()
    ]
    assert KILLED in ends
    assert STOPPED not in ends
    assert violations(found) == []


def test_a_run_begins_to_wait_with_the_reason_of_its_wait() -> None:
    stages = (stage(hold={"reason": "Retrying", "until": time(20)}),)
    works, waits = (run(reason=reason, stages=stages) for reason in ("Running", "Retrying"))
    (made,) = history((0.0, "MODIFIED", RUNS, waits)).changes
    assert begins_to_wait(replace(made, before=works))
    assert not begins_to_wait(replace(made, before=waits))
    assert not begins_to_wait(replace(made, before=waits, document=works))


def test_few_seeds_have_a_rare_theme_and_each_of_them_has_its_faults() -> None:
    drawn = [draw_theme(random.Random(seed)) for seed in range(2000)]
    rare = [theme for theme in drawn if theme in RARE]
    assert len(rare) / len(drawn) == pytest.approx(RARE_SHARE, abs=0.05)
    assert {RARE.index(theme) for theme in rare} == set(range(len(RARE)))
    for number, theme in enumerate(RARE):
        plan = draw(random.Random(number), theme, runs=2, scale=1.0)
        kinds = {act.kind for act in plan.acts.values()}
        assert theme.early is None or theme.early in kinds
        assert theme.pods.items() <= plan.pods.items()
        assert set(plan.statuses.values()) == ({theme.statuses} - {None})
        assert theme.jobs is None or theme.jobs in plan.jobs.values()
        others = kinds - {*theme.acts, theme.early}
        assert not theme.alone or not (plan.writes or plan.reads or others)


@pytest.mark.parametrize(("value", "found"), [(600, 0), (-600, 1)])
def test_an_attempt_begins_beside_a_slow_stop_only_if_the_clock_is_ahead(
    value: int, found: int
) -> None:
    stopping = pod(gone_by=70)
    stopping["metadata"] |= {"ownerReferences": [{"uid": "job-1"}]}
    stopping["metadata"]["labels"] |= {JOB_NAME: "job-1"}
    rows = [
        (1.0, "ADDED", JOBS, job()),
        (10.0, "MODIFIED", PODS, stopping),
        (30.0, "ADDED", JOBS, job("job-2")),
    ]
    for version, (_, _, _, document) in enumerate(rows, 1):
        document["metadata"]["resourceVersion"] = str(version)
    clock = (5.0, f"Act(kind='clock', seconds=3.0, value={value})")
    assert len(one_job.violations(with_faults(history(*rows), clock))) == found
