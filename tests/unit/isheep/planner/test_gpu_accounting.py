"""GPU accounting: what each kind of attempt is charged, and what never happens to the sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.api.gpu_usage import GpuUsage, Prices
from isheep.planner.gpu_accounting import MAX_FORGOTTEN, MAX_GONE, Moment, account, cost_of
from isheep.planner.types import Attempt, AttemptState, PodTime, StageRef

START = datetime(2026, 1, 1, tzinfo=UTC)
GPU = "nvidia.com/gpu"
SLICE = "nvidia.com/mig-1g.10gb"
EUROS = Prices(currency="EUR", per_hour={GPU: 3.6, SLICE: 0.36})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def pod(name: str, start: float, until: float, *, ended: bool = False) -> PodTime:
    return PodTime(name, at(start), at(until), ended=ended)


def job(
    *pods: PodTime, name: str = "job", gpus: Mapping[str, int] | None = None, **f: Any
) -> Attempt:
    fields = {"state": AttemptState.ACTIVE, "grace_seconds": 30, "pods": pods, **f}
    stage = fields.pop("first", "i1/generate/r1")
    created = fields.pop("created", START)
    held = {GPU: 1} if gpus is None else gpus
    return Attempt(name, (StageRef(stage, "key"),), 1, created=created, gpus=held, **fields)


def usage_of(*steps: tuple[tuple[Attempt, ...], Moment]) -> GpuUsage:
    """Return the usage after some plans; the status is stored as JSON between them."""
    usage: GpuUsage | None = None
    for attempts, moment in steps:
        usage, _ = account(usage, attempts, moment)
        assert usage is not None
        usage = GpuUsage.read_stored(usage.document())
    assert usage is not None
    return usage


def test_a_run_without_gpus_has_no_usage() -> None:
    assert account(None, [job(pod("a", 0, 60), gpus={})], Moment(at(60))) == (None, ())


def test_a_suspended_attempt_is_charged_until_its_pods_are_gone() -> None:
    # 41 seconds at work, then 12 seconds in which the worker saves its work.
    running = job(pod("a", 1, 1))
    stopping = replace(running, state=AttemptState.TERMINATING)
    usage = usage_of(
        ((running,), Moment(at(2))),
        ((running,), Moment(at(42), stops={"job"})),
        ((stopping,), Moment(at(43))),
        ((), Moment(at(54))),
    )
    assert usage.seconds == {GPU: 41 + 12}
    assert not usage.is_open


def test_a_stopped_attempt_is_charged_for_no_more_than_its_grace_period() -> None:
    # The operator was away for a day after it had deleted the Job.
    running = job(pod("a", 0, 0), pod("b", 0, 20, ended=True), gpus={GPU: 2})
    usage = usage_of(((running,), Moment(at(40), stops={"job"})), ((), Moment(at(86400))))
    assert usage.seconds == {GPU: 2 * (40 + 30 + 20)}


def test_a_job_that_somebody_deletes_is_charged_from_its_deletion_time() -> None:
    deleted = job(pod("a", 0, 10), state=AttemptState.TERMINATING, deleted_at=at(25))
    usage = usage_of(((deleted,), Moment(at(30))), ((), Moment(at(35))))
    assert usage.seconds == {GPU: 35}


def test_a_pod_that_is_seen_after_its_stop_is_not_charged_twice() -> None:
    stopping = job(pod("a", 0, 20), state=AttemptState.TERMINATING, deleted_at=at(5))
    usage = usage_of(((stopping,), Moment(at(21))), ((), Moment(at(25))))
    assert usage.seconds == {GPU: 25}
    late = usage_of(((stopping,), Moment(at(21))), ((), Moment(at(999))))
    assert late.seconds == {GPU: 5 + 30}


def test_dead_and_preempted_pods_are_charged_with_those_that_replace_them() -> None:
    first = job(pod("dead", 0, 50, ended=True), pod("new", 60, 60))
    # The preempted pod does not exist any more, and the operator has restarted.
    later = job(pod("new", 60, 160, ended=True), pod("last", 170, 200, ended=True))
    ended = replace(later, state=AttemptState.SUCCEEDED)
    usage = usage_of(
        ((first,), Moment(at(61))),
        ((replace(first, pods=None),), Moment(at(62))),
        ((later,), Moment(at(201))),
        ((ended,), Moment(at(202))),
        ((ended,), Moment(at(203))),
    )
    assert usage.seconds == {GPU: 50 + 100 + 30}


def test_a_pod_that_only_one_of_two_drivers_knows_is_charged_once() -> None:
    # Two replicas take the Lease in turn, and the pod was gone before the second one began.
    first = job(pod("dead", 0, 50, ended=True), pod("new", 60, 70))
    second = job(pod("new", 60, 80))
    usage = usage_of(
        ((first,), Moment(at(71))),
        ((second,), Moment(at(81))),
        ((first,), Moment(at(82))),
        ((second,), Moment(at(83))),
    )
    assert usage.seconds == {GPU: 50 + 20}


def test_a_removed_job_is_charged_beside_the_one_that_replaces_it() -> None:
    removed = job(pod("a", 0, 90), state=AttemptState.TERMINATING, deleted_at=at(100))
    again = job(pod("b", 110, 120), created=at(105))
    usage = usage_of(((removed, again), Moment(at(120))))
    assert usage.seconds == {GPU: 100 + 10}
    # The API server accepts each name once.
    assert [(one.name, one.created) for one in usage.attempts] == [(again.name, at(105))]


def test_the_pods_that_nobody_sees_any_more_stay_within_a_bound() -> None:
    steps = [
        ((job(pod(str(n), n, n + 1, ended=True)),), Moment(at(n + 1)))
        for n in range(2 * MAX_FORGOTTEN)
    ]
    (attempt,) = usage_of(*steps).attempts
    assert len(attempt.pods) == MAX_FORGOTTEN + 1


def test_resources_are_charged_by_name_and_have_prices_of_their_own() -> None:
    whole = job(pod("a", 0, 3600, ended=True), gpus={GPU: 2}, state=AttemptState.SUCCEEDED)
    sliced = job(
        pod("b", 0, 7200, ended=True), name="other", gpus={SLICE: 1}, state=AttemptState.FAILED
    )
    other = job(
        pod("c", 0, 60, ended=True), name="third", gpus={"amd.com/gpu": 1}, first="i2/train",
        state=AttemptState.FAILED,
    )  # fmt: skip
    usage = usage_of(((whole, sliced, other), Moment(at(7200), prices=EUROS)))
    assert usage.seconds == {GPU: 7200, SLICE: 7200, "amd.com/gpu": 60}
    assert usage.cost == pytest.approx(2 * 3.6 + 2 * 0.36)
    assert [(i.iteration, i.seconds) for i in usage.iterations] == [
        (1, {GPU: 7200, SLICE: 7200}),
        (2, {"amd.com/gpu": 60}),
    ]


def test_a_run_keeps_the_price_with_which_a_resource_was_first_charged() -> None:
    one = job(pod("a", 0, 3600, ended=True))
    more = job(pod("a", 0, 3600, ended=True), pod("b", 3600, 7200, ended=True))
    cheaper = EUROS.model_copy(update={"per_hour": {GPU: 1.0}})
    dollars = EUROS.model_copy(update={"currency": "USD"})
    for prices in (cheaper, dollars, None):
        usage = usage_of(
            ((one,), Moment(at(3600), prices=EUROS)), ((more,), Moment(at(7200), prices=prices))
        )
        assert usage.cost == pytest.approx(2 * 3.6)
    late = usage_of(((one,), Moment(at(3600))), ((more,), Moment(at(7200), prices=EUROS)))
    assert late.cost == pytest.approx(2 * 3.6)
    assert cost_of({GPU: 60}, None) is None


def test_the_seconds_of_a_job_with_several_stages_go_to_the_stage_at_work() -> None:
    stages = {"i1/generate/r1", "i1/respond", "i2/generate/r1"}
    usage: GpuUsage | None = None
    charges = []
    for stage, until in [(None, 30), ("i1/respond", 60), ("made-up", 90), ("i2/generate/r1", 100)]:
        attempt = job(pod("a", 0, until), stage=stage)
        usage, added = account(usage, [attempt], Moment(at(until), stages=stages))
        charges += [(one.stage, one.seconds) for one in added]
    assert charges == [
        ("i1/generate/r1", 30),
        ("i1/generate/r1", 30),
        ("i1/respond", 30),
        ("i1/respond", 10),
    ]


def test_an_attempt_that_appears_again_is_not_charged_again() -> None:
    # Somebody removed the labels of the Job, and set them again.
    running = job(pod("a", 0, 300))
    seen = Moment(at(300))
    usage = usage_of(((running,), seen), ((), seen), ((running,), seen), ((), seen))
    assert usage.seconds == {GPU: 300}
    others = [job(pod("a", 0, 1), name=f"job-{n}", created=at(n)) for n in range(30)]
    usage = usage_of(*(((one,), seen) for one in others), ((), seen))
    assert len(usage.attempts) == MAX_GONE
    # A Job of the same name is another attempt.
    again = replace(others[-1], created=at(99))
    assert usage_of(((others[-1],), seen), ((), seen), ((again,), seen)).seconds == {GPU: 2}


@dataclass
class Life:
    """An attempt in a random history."""

    started: float
    number: int
    state: AttemptState = AttemptState.ACTIVE
    stopped: float | None = None
    ended: float | None = None

    def view(self, now: float, *, known: bool) -> Attempt:
        over = self.ended is not None
        until = self.ended if self.ended is not None else now - now % 7
        one = pod(f"pod-{self.number}", self.started, max(until, self.started), ended=over)
        return job(
            *([one] if known else []),
            name=f"job-{self.number}",
            created=at(self.started),
            state=self.state,
            **({} if known else {"pods": None}),
        )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "end", "gone", "look", "restart", "lost"]),
        st.integers(0, 40),
        st.integers(0, 5),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_sums_never_fall_and_never_exceed_the_time_that_pods_existed(
    steps: list[tuple[str, int, int]],
) -> None:
    """Attempts start, stop, end and disappear; the operator restarts, and writes are lost."""
    usage: GpuUsage | None = None
    now, lives, existed, number, shown = 0.0, [], 0.0, 0, 0.0
    for action, seconds, choice in steps:
        now += seconds
        stops: set[str] = set()
        chosen = lives[choice % len(lives)] if lives else None
        if action == "start":
            number += 1
            lives.append(Life(now, number))
        elif chosen is not None and action == "stop" and chosen.state is AttemptState.ACTIVE:
            chosen.stopped = now
            stops = {f"job-{chosen.number}"}
        elif chosen is not None and action == "end" and chosen.stopped is None:
            chosen.ended = now if chosen.ended is None else chosen.ended
            chosen.state = AttemptState.SUCCEEDED
        elif chosen is not None and action == "gone":
            lives.remove(chosen)
            existed += (now if chosen.ended is None else chosen.ended) - chosen.started
        views = [life.view(now, known=action != "restart") for life in lives]
        found, _ = account(usage, views, Moment(at(now), stops=stops, prices=EUROS))
        for life in lives:
            life.state = AttemptState.TERMINATING if life.stopped is not None else life.state
        if action == "lost" or found is None:
            continue
        usage = GpuUsage.read_stored(found.document())
        total, cost = usage.seconds.get(GPU, 0.0), usage.cost or 0.0
        assert total >= shown, "the sum fell"
        assert cost == pytest.approx(total / 3600 * 3.6, abs=1e-3)
        assert sum(i.seconds.get(GPU, 0.0) for i in usage.iterations) == pytest.approx(total)
        shown = total
        live = sum((now if one.ended is None else one.ended) - one.started for one in lives)
        assert total <= existed + live + 0.5, "more was charged than pods existed"
