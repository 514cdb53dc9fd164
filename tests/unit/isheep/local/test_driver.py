"""The driver with the real planner, real processes and a folder store; only the worker is fake."""

import itertools
import os
from datetime import UTC, datetime, timedelta

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.local.inbox import StopRequested
from isheep.local.worker import Inbox

STAGES = [
    "prepare",
    "i1/generate/r1",
    "i1/curate/r1",
    "i1/respond",
    "i1/assess",
    "i1/select",
    "i1/train",
    "i1/merge",
    "i1/report",
]


def test_a_run_executes_all_stages_and_stores_its_status(harness):
    conclusion = harness.run()

    assert (conclusion.end, conclusion.exit_code) == ("Succeeded", ExitCode.DONE)
    assert harness.listener.started_stages == STAGES
    view = harness.stored().read()
    assert view.status.phase == "Succeeded"
    assert view.generation == view.status.observed_generation == 1
    assert view.status.history[0].kept == 2
    assert view.status.report_uri.startswith(harness.store.uri)


def test_a_finished_run_starts_no_stage_and_succeeds(harness):
    harness.run()
    before = len(harness.orders)

    conclusion = harness.run()

    assert (conclusion.end, conclusion.exit_code) == ("Succeeded", ExitCode.DONE)
    assert len(harness.orders) == before
    assert harness.listener.started_stages == []


def test_consecutive_stages_of_one_model_share_a_process_and_training_has_a_new_one(harness):
    harness.run()

    process = {stage: pid for pid, stage, _, _ in harness.orders}
    same = ["prepare", "i1/generate/r1", "i1/curate/r1", "i1/respond", "i1/assess", "i1/select"]
    assert len({process[stage] for stage in same}) == 1
    assert process["i1/train"] == process["i1/merge"] != process["prepare"]


def test_the_next_iteration_has_its_model_in_another_process(harness):
    harness.spec["iterations"] = 2
    assert harness.run().end == "Succeeded"

    process = {stage: pid for pid, stage, _, _ in harness.orders}
    assert process["i2/generate/r1"] == process["i2/assess"]
    assert process["i2/generate/r1"] not in {process["i1/train"], process["i1/assess"]}
    # The report runs at the same time as the next iteration, and not in its model's process.
    assert process["i1/report"] == process["i1/merge"]


def test_no_worker_process_runs_after_the_run(harness):
    harness.run()

    for pid in {pid for pid, *_ in harness.orders}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.usefixtures("quick_retries")
def test_a_worker_that_dies_is_replaced_and_the_error_contains_its_log(harness):
    harness.behave("i1/respond", "die")

    assert harness.run().end == "Succeeded"

    (failed,) = [end for end in harness.listener.ends if end.error is not None]
    assert failed.stages == ("i1/respond",)
    assert "killed by signal 9" in failed.error
    assert "about to die" in failed.error
    attempts = [
        (attempt, pid) for pid, stage, attempt, _ in harness.orders if stage == "i1/respond"
    ]
    assert [attempt for attempt, _ in attempts] == [1, 2]
    assert attempts[0][1] != attempts[1][1]


@pytest.mark.usefixtures("quick_retries")
def test_a_stage_that_always_kills_its_worker_fails_the_run(harness):
    harness.behave("i1/train", *["die"] * 9)

    conclusion = harness.run()

    assert (conclusion.end, conclusion.exit_code) == ("Failed", ExitCode.DEFECT)
    assert "i1/train" in conclusion.message


@pytest.mark.usefixtures("quick_retries")
def test_a_worker_that_exits_without_a_result_has_failed(harness):
    harness.behave("i1/merge", "exit")

    # Exit code 0 without a result is a defect of the worker, which is not retried.
    assert harness.run().exit_code is ExitCode.DEFECT


@pytest.mark.parametrize(
    ("stage", "behaviour", "end", "code"),
    [
        ("prepare", "fail 64 ModelNotFound", "Stalled", ExitCode.BAD_INPUT),
        ("prepare", "fail 69 SourceUnreachable", "Stalled", ExitCode.UNREACHABLE),
        ("i1/respond", "fail 69 StoreUnreachable", "Stalled", ExitCode.UNREACHABLE),
        ("i1/respond", "fail 70 Defect", "Failed", ExitCode.DEFECT),
        ("i1/respond", "fail 64 BadInput", "Failed", ExitCode.BAD_INPUT),
    ],
)
def test_a_run_that_cannot_continue_ends_with_cause_and_code_and_can_be_resumed(
    harness, stage, behaviour, end, code
):
    harness.behave(stage, behaviour)

    conclusion = harness.run()

    assert (conclusion.end, conclusion.exit_code) == (end, code)
    assert f"failed with {behaviour.split()[2]}" in conclusion.message
    done = harness.listener.started_stages[:-1]
    assert harness.run().end == "Succeeded"
    assert harness.listener.started_stages == [stage for stage in STAGES if stage not in done]


@pytest.mark.usefixtures("quick_retries")
def test_a_disk_that_stays_full_ends_the_run_with_its_exit_code(harness):
    harness.behave("i1/respond", *["fail 74 DiskFull"] * 9)

    assert harness.run().exit_code is ExitCode.DISK


def test_a_stop_waits_for_the_workers_and_the_same_command_resumes_the_run(harness):
    harness.behave("i1/respond", "hang")
    harness.listener.on_progress = lambda attempt: attempt.stage == "i1/respond" and harness.stop()

    conclusion = harness.run()

    assert (conclusion.end, conclusion.exit_code) == ("Stopped", ExitCode.STOPPED)
    assert harness.listener.ends[-1].stages == ("i1/respond",)
    assert harness.run().end == "Succeeded"
    assert harness.listener.started_stages == STAGES[STAGES.index("i1/respond") :]


def test_the_gpu_time_of_a_stopped_attempt_is_stored_and_the_next_run_adds_to_it(harness):
    ticks = itertools.count()

    def clock():
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks))

    harness.environment["CUDA_VISIBLE_DEVICES"] = "0"
    harness.behave("i1/respond", "hang")
    harness.listener.on_progress = lambda attempt: attempt.stage == "i1/respond" and harness.stop()
    harness.run(clock=clock)

    stopped = harness.stored().read().status
    seconds = {record.id: record.gpu_seconds for record in stopped.stages}
    assert seconds["i1/respond"] >= 1
    assert stopped.gpu.seconds == {"nvidia.com/gpu": sum(s or 0 for s in seconds.values())}
    assert not stopped.gpu.is_open
    assert harness.run(clock=clock).end == "Succeeded"
    ended = harness.stored().read().status
    assert {record.id: record.gpu_seconds for record in ended.stages}["i1/respond"] > (
        seconds["i1/respond"]
    )
    (iteration,) = (record for record in ended.history if record.iteration == 1)
    assert iteration.gpu_seconds == ended.gpu.seconds["nvidia.com/gpu"]


def test_a_second_stop_request_kills_a_worker_that_does_not_stop(harness):
    harness.behave("i1/respond", "stubborn")

    def stop_twice(attempt):
        if attempt.stage == "i1/respond":
            harness.stop()
            harness.stop()

    harness.listener.on_progress = stop_twice

    assert harness.run().exit_code is ExitCode.STOPPED


def test_a_stop_request_before_the_first_stage_stops_at_once(harness):
    harness.stop()

    assert harness.run().end == "Stopped"
    assert harness.orders == []


class StopsDuringARequestForRoom(Inbox):
    def room_answer(self, worker, seconds):
        self.put(StopRequested())
        return super().room_answer(worker, seconds)


def test_a_stop_request_ends_the_wait_for_a_worker_that_should_make_room(harness, monkeypatch):
    # Without the stop, the driver would wait for longer than any test.
    monkeypatch.setattr("isheep.local.worker.ROOM_SECONDS", 1e6)
    harness.inbox = StopsDuringARequestForRoom()
    harness.behave("room", "silent")
    harness.spec |= {"iterations": 2, "training": {"handover": "Adapter"}}
    conclusion = harness.run()
    assert (conclusion.end, conclusion.exit_code) == ("Stopped", ExitCode.STOPPED)
    assert "i1/train" in conclusion.message


def test_an_edited_spec_is_a_new_generation_and_reuses_stages_with_the_same_keys(harness):
    harness.run()
    harness.spec["selection"]["threshold"] = 3

    assert harness.run().end == "Succeeded"

    assert harness.stored().read().generation == 2
    # Pairs and scores do not depend on the threshold, so they are reused.
    assert "i1/select" in harness.listener.started_stages
    assert not {"i1/generate/r1", "i1/respond", "i1/assess"} & set(harness.listener.started_stages)
    harness.run()
    assert harness.stored().read().generation == 2


def test_a_suspended_run_starts_no_stage(harness):
    harness.spec["suspend"] = True

    conclusion = harness.run()

    assert (conclusion.end, conclusion.exit_code) == ("Suspended", ExitCode.DONE)
    assert harness.orders == []


def test_a_run_without_its_status_makes_no_stage_again(harness):
    harness.run()
    harness.store.delete("default/runs/lamb/status.json")
    made = len(list(harness.store.list("default/stages/")))

    assert harness.run().end == "Succeeded"

    assert len(list(harness.store.list("default/stages/"))) == made


def test_one_worker_for_each_gpu_makes_a_share_of_the_parts(harness):
    harness.environment["CUDA_VISIBLE_DEVICES"] = "0,1"
    harness.spec["instructions"]["count"] = 1000  # 125 completions, two parts

    harness.behave("i1/curate/r1", "fail 70 Defect")
    harness.run()

    shares = {share for _, stage, _, share in harness.orders if stage == "i1/generate/r1"}
    assert shares == {"0/2", "1/2"}
    processes = {pid for pid, stage, *_ in harness.orders if stage == "i1/generate/r1"}
    assert len(processes) == 2


@pytest.mark.usefixtures("quick_retries")
def test_the_next_attempt_makes_the_share_of_a_worker_that_died(harness):
    harness.environment["CUDA_VISIBLE_DEVICES"] = "0,1"
    harness.spec["instructions"]["count"] = 1000
    harness.behave("i1/generate/r1", "die")
    harness.behave("i1/curate/r1", "fail 70 Defect")

    harness.run()

    errors = [end.error for end in harness.listener.ends][:3]
    assert [error is None for error in errors] == [True, False, True], errors


def test_too_few_gpus_are_an_error(harness):
    harness.environment["CUDA_VISIBLE_DEVICES"] = "0"
    harness.spec["engine"] = {"type": "VLLM", "vllm": {"tensorParallelSize": 2}}

    with pytest.raises(ValueError, match="tensorParallelSize is 2, but this machine offers 1"):
        harness.run()


def test_an_attempt_past_its_deadline_is_stopped(harness):
    from dataclasses import replace

    from isheep.planner.plan import plan
    from isheep.planner.types import Start

    def plan_with_a_deadline(*arguments):
        made = plan(*arguments)
        actions = tuple(
            replace(a, deadline_seconds=1)
            if isinstance(a, Start) and a.order.steps[0].id == "i1/respond"
            else a
            for a in made.actions
        )
        return replace(made, actions=actions)

    harness.behave("i1/respond", "hang")
    harness.listener.on_progress = lambda _: None
    record_end = harness.listener.ended

    def ended(end):
        record_end(end)
        if end.error is not None:
            harness.stop()

    harness.listener.ended = ended
    harness.run(planner=plan_with_a_deadline)

    assert harness.listener.ends[-1].error == "stopped: it ran for more than its 1 s"
