from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from isheep.contract.choices import Pool
from isheep.contract.order import RunRef, Sources, StageOrder, StageResult, Step, StepResult
from isheep.contract.store_spec import parse_store_uri
from isheep.local.attempt import LOAD_STOP_SECONDS, ON_REQUEST, STOP_SECONDS, LocalAttempt
from isheep.local.worker import ProcessEnd, ProgressReport, ResultReport
from isheep.planner.types import AttemptState, Start

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class FakeWorker:
    """Records the calls of its methods."""

    calls: str = ""
    log: Path = Path("w.log")

    def stop(self):
        self.calls += "stop "

    def kill(self):
        self.calls += "kill "

    def tail(self):
        return "last line of the log"


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


def report(worker, done, total=200, stage="i1/respond", activity="engine", found=0):
    return ProgressReport(worker, stage, done, total, activity, "", found)


def result(worker, outcome="Committed", code=0, **fields):
    return ResultReport(worker, StageResult(outcome=outcome, exit_code=code, **fields), code)


def test_an_attempt_ends_when_all_its_workers_have_ended():
    first, second = FakeWorker(), FakeWorker()
    made = attempt(first, second)
    made.add_result(result(first, "Partial"), NOW)
    assert made.observe().state is AttemptState.ACTIVE
    made.add_result(result(second), NOW + timedelta(seconds=5))
    seen = made.observe()
    assert (seen.state, seen.exit_code, len(seen.results)) == (AttemptState.SUCCEEDED, 0, 2)
    assert made.end().seconds == 5


def test_one_failed_worker_fails_the_attempt_with_its_message():
    first, second = FakeWorker(), FakeWorker()
    made = attempt(first, second)
    made.add_result(result(first, "Failed", 69, reason="StoreUnreachable", message="gone"), NOW)
    made.add_result(result(second, "Partial"), NOW)
    seen = made.observe()
    assert (seen.state, seen.exit_code, seen.message) == (AttemptState.FAILED, 69, "gone")
    assert made.end().error == "gone"


@pytest.mark.parametrize(("code", "seen"), [(137, 137), (1, 1), (0, 70)])
def test_a_process_that_ends_without_a_result_fails_with_the_end_of_its_log(code, seen):
    worker = FakeWorker()
    made = attempt(worker)
    made.add_process_end(ProcessEnd(worker, code), NOW)
    assert made.observe().exit_code == seen
    assert "last line of the log" in made.observe().message


def test_the_end_of_a_process_after_its_result_changes_nothing():
    worker = FakeWorker()
    made = attempt(worker)
    made.add_result(result(worker), NOW)
    made.add_process_end(ProcessEnd(worker, 137), NOW)
    assert made.observe().state is AttemptState.SUCCEEDED


def test_items_that_existed_count_once_and_items_that_workers_add_are_summed():
    first, second = FakeWorker(), FakeWorker()
    made = attempt(first, second)
    made.add_progress(report(first, 64, found=64))
    made.add_progress(report(first, 128, found=64))
    # The second worker begins later, and finds the items of the first one.
    made.add_progress(report(second, 128, found=128))
    made.add_progress(report(second, 136, found=128))
    assert (made.observe().items_done, made.observe().items_total) == (136, 200)
    assert made.view().items_found == 64


def test_each_step_of_a_joined_order_has_its_count():
    worker = FakeWorker()
    made = attempt(worker, stages=("i1/respond", "i1/assess"))
    made.add_progress(report(worker, 200))
    made.add_progress(report(worker, 0, stage="i1/assess"))
    assert (made.view().stage, made.view().items_done) == ("i1/assess", 0)


def test_a_worker_is_starting_before_its_first_report():
    view = attempt(FakeWorker()).view()
    assert [worker.activity for worker in view.workers] == ["start"]
    assert (view.items_done, view.items_total) == (0, 200)


def test_a_stop_is_requested_once_and_then_enforced():
    worker = FakeWorker()
    made = attempt(worker)
    made.add_progress(report(worker, 3))
    made.stop("its stage left the plan", NOW)
    made.stop("again", NOW)
    assert made.observe().state is AttemptState.TERMINATING
    made.check(NOW + timedelta(seconds=STOP_SECONDS - 1))
    assert worker.calls == "stop "
    assert made.due == NOW + timedelta(seconds=STOP_SECONDS)
    made.check(made.due)
    assert worker.calls == "stop kill "
    made.add_process_end(ProcessEnd(worker, 137), NOW)
    assert made.end().error == "stopped: its stage left the plan"
    assert made.end().stopped_at is None
    assert made.due is None


@pytest.mark.parametrize("activity", [None, "load"])
def test_a_worker_that_starts_or_loads_a_model_is_killed_within_seconds(activity):
    worker = FakeWorker()
    made = attempt(worker)
    if activity:
        made.add_progress(report(worker, 0, activity=activity))
    made.stop(ON_REQUEST, NOW)
    assert made.due == NOW + timedelta(seconds=LOAD_STOP_SECONDS)
    assert LOAD_STOP_SECONDS <= 5
    made.check(made.due)
    assert worker.calls == "stop kill "


@pytest.mark.parametrize(
    ("stage", "done", "at"),
    [
        ("i1/train", 3, "i1/train after step 3 of 8"),
        ("i1/respond", 3, "i1/respond after 3 of 8 items"),
        ("i1/respond", 0, "i1/respond"),
    ],
)
def test_a_stop_on_request_names_the_position(stage, done, at):
    worker = FakeWorker()
    made = attempt(worker, stages=(stage,), items=8)
    made.add_progress(report(worker, done, 8, stage=stage))
    made.stop(ON_REQUEST, NOW)
    made.add_result(result(worker, "Failed", 143, reason="Stopped", message="stopped"), NOW)
    assert made.end().stopped_at == at


def test_an_attempt_is_stopped_at_its_deadline():
    worker = FakeWorker()
    made = attempt(worker, deadline=30)
    made.check(NOW + timedelta(seconds=29))
    assert worker.calls == ""
    made.check(made.due)
    assert worker.calls == "stop "


def test_an_attempt_whose_stages_were_committed_before_is_adopted():
    worker = FakeWorker()
    made = attempt(worker)
    steps = (StepResult(id="i1/respond", key="i1/respond", adopted=True),)
    made.add_result(result(worker, steps=steps), NOW)
    assert made.end().adopted


def test_each_worker_holds_its_gpus_until_it_has_ended():
    first, second = FakeWorker(), FakeWorker()
    order = attempt(first)._start
    made = LocalAttempt(order, (first, second), NOW, {"nvidia.com/gpu": 2})
    made.add_result(result(first, "Partial"), NOW + timedelta(seconds=5))
    made.check(NOW + timedelta(seconds=9))
    seen = made.observe()
    assert seen.gpus == {"nvidia.com/gpu": 2}
    assert [(pod.seconds, pod.ended) for pod in seen.pods] == [(5, True), (9, False)]
    made.add_process_end(ProcessEnd(second, 137), NOW + timedelta(seconds=12))
    assert [(pod.seconds, pod.ended) for pod in made.observe().pods] == [(5, True), (12, True)]
