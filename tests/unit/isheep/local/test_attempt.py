from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from isheep.contract.order import RunRef, Sources, StageOrder, StageResult, Step, StepResult
from isheep.contract.store_spec import parse_store_uri
from isheep.local.attempt import STOP_SECONDS, LocalAttempt
from isheep.local.worker import Answered, Ended, Reported
from isheep.planner.types import AttemptState, Start
from isheep.recipes.interface import Pool

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class FakeWorker:
    """Remembers what it was told."""

    told: str = ""
    log: Path = Path("w.log")

    def stop(self):
        self.told += "stop "

    def kill(self):
        self.told += "kill "

    def tail(self):
        return "last words"


def attempt(*workers, items=200, stages=("i1/respond",), deadline=None):
    steps = tuple(
        Step(id=id_, kind="respond", version=1, key=id_, iteration=1, settings={}, items=items)
        for id_ in stages
    )
    order = StageOrder(
        run=RunRef(namespace="default", name="lamb", uid="u"),
        attempt=2,
        store=parse_store_uri("/store"),
        sources=Sources(model="m"),
        steps=steps,
    )
    return LocalAttempt(Start(order, Pool.INFERENCE, 1, deadline), workers, NOW)


def report(worker, done, total=200, stage="i1/respond", activity="engine"):
    return Reported(worker, stage, done, total, activity, "")


def answer(worker, outcome="Committed", code=0, **fields):
    return Answered(worker, StageResult(outcome=outcome, exit_code=code, **fields), code)


def test_it_is_over_when_every_worker_is():
    first, second = FakeWorker(), FakeWorker()
    made = attempt(first, second)
    made.answered(answer(first, "Partial"), NOW)
    assert made.observe().state is AttemptState.ACTIVE
    made.answered(answer(second), NOW + timedelta(seconds=5))
    seen = made.observe()
    assert (seen.state, seen.exit_code, len(seen.results)) == (AttemptState.SUCCEEDED, 0, 2)
    assert made.end().seconds == 5


def test_one_failure_is_the_attempts_and_its_message_is_kept():
    first, second = FakeWorker(), FakeWorker()
    made = attempt(first, second)
    made.answered(answer(first, "Failed", 69, reason="StoreUnreachable", message="gone"), NOW)
    made.answered(answer(second, "Partial"), NOW)
    seen = made.observe()
    assert (seen.state, seen.exit_code, seen.message) == (AttemptState.FAILED, 69, "gone")
    assert made.end().error == "gone"


@pytest.mark.parametrize(("code", "seen"), [(137, 137), (1, 1), (0, 70)])
def test_a_death_without_a_word_is_a_failure_with_the_logs_end(code, seen):
    worker = FakeWorker()
    made = attempt(worker)
    made.ended(Ended(worker, code), NOW)
    assert made.observe().exit_code == seen
    assert "last words" in made.observe().message


def test_the_end_of_a_process_that_has_answered_changes_nothing():
    worker = FakeWorker()
    made = attempt(worker)
    made.answered(answer(worker), NOW)
    made.ended(Ended(worker, 137), NOW)
    assert made.observe().state is AttemptState.SUCCEEDED


def test_what_workers_found_is_counted_once_and_what_they_add_together():
    first, second = FakeWorker(), FakeWorker()
    made = attempt(first, second)
    for worker in (first, second):
        made.reported(report(worker, 64))
    made.reported(report(first, 128))
    made.reported(report(second, 72))
    assert (made.observe().items_done, made.observe().items_total) == (136, 200)


def test_each_step_of_a_joined_order_is_counted_by_itself():
    worker = FakeWorker()
    made = attempt(worker, stages=("i1/respond", "i1/assess"))
    made.reported(report(worker, 200))
    made.reported(report(worker, 0, stage="i1/assess"))
    assert (made.view().stage, made.view().items_done) == ("i1/assess", 0)


def test_before_the_first_word_the_worker_is_starting():
    view = attempt(FakeWorker()).view()
    assert [worker.activity for worker in view.workers] == ["start"]
    assert (view.items_done, view.items_total) == (0, 200)


def test_a_stop_is_asked_for_once_and_then_enforced():
    worker = FakeWorker()
    made = attempt(worker)
    made.stop("it left the plan", NOW)
    made.stop("again", NOW)
    assert made.observe().state is AttemptState.TERMINATING
    made.check(NOW + timedelta(seconds=STOP_SECONDS - 1))
    assert worker.told == "stop "
    assert made.due == NOW + timedelta(seconds=STOP_SECONDS)
    made.check(made.due)
    assert worker.told == "stop kill "
    made.ended(Ended(worker, 137), NOW)
    assert made.end().error == "stopped: it left the plan"
    assert made.due is None


def test_a_deadline_stops_it():
    worker = FakeWorker()
    made = attempt(worker, deadline=30)
    made.check(NOW + timedelta(seconds=29))
    assert worker.told == ""
    made.check(made.due)
    assert worker.told == "stop "


def test_what_was_there_already_is_told():
    worker = FakeWorker()
    made = attempt(worker)
    steps = (StepResult(id="i1/respond", key="i1/respond", adopted=True),)
    made.answered(answer(worker, steps=steps), NOW)
    assert made.end().adopted
