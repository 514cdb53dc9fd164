"""The driver over the real planner, real processes and a folder store; only the worker is fake."""

import os

import pytest

from isheep.contract.exit_codes import ExitCode

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


def test_a_run_goes_through_all_stages_and_its_status_is_stored(workshop):
    conclusion = workshop.run()

    assert (conclusion.end, conclusion.exit_code) == ("Succeeded", ExitCode.DONE)
    assert workshop.heard.begun == STAGES
    view = workshop.stored().read()
    assert view.status.phase == "Succeeded"
    assert view.generation == view.status.observed_generation == 1
    assert view.status.history[0].kept == 2
    assert view.status.report_uri.startswith(workshop.store.uri)


def test_a_finished_run_does_nothing_and_says_so(workshop):
    workshop.run()
    before = len(workshop.orders)

    conclusion = workshop.run()

    assert (conclusion.end, conclusion.exit_code) == ("Succeeded", ExitCode.DONE)
    assert len(workshop.orders) == before
    assert workshop.heard.begun == []


def test_consecutive_stages_of_one_model_share_a_process_and_training_has_a_fresh_one(workshop):
    workshop.run()

    process = {stage: pid for pid, stage, _, _ in workshop.orders}
    same = ["prepare", "i1/generate/r1", "i1/curate/r1", "i1/respond", "i1/assess", "i1/select"]
    assert len({process[stage] for stage in same}) == 1
    assert process["i1/train"] == process["i1/merge"] != process["prepare"]


def test_the_next_iteration_has_its_model_in_a_process_of_its_own(workshop):
    workshop.spec["iterations"] = 2
    assert workshop.run().end == "Succeeded"

    process = {stage: pid for pid, stage, _, _ in workshop.orders}
    assert process["i2/generate/r1"] == process["i2/assess"]
    assert process["i2/generate/r1"] not in {process["i1/train"], process["i1/assess"]}
    # The report is written beside the next iteration, not by its model's process.
    assert process["i1/report"] == process["i1/merge"]


def test_no_process_is_left_behind(workshop):
    workshop.run()

    for pid in {pid for pid, *_ in workshop.orders}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.usefixtures("quick_retries")
def test_a_worker_that_dies_is_replaced_and_its_log_is_told(workshop):
    workshop.behave("i1/respond", "die")

    assert workshop.run().end == "Succeeded"

    (failed,) = [end for end in workshop.heard.ends if end.error is not None]
    assert failed.stages == ("i1/respond",)
    assert "killed by signal 9" in failed.error
    assert "about to die" in failed.error
    attempts = [
        (attempt, pid) for pid, stage, attempt, _ in workshop.orders if stage == "i1/respond"
    ]
    assert [attempt for attempt, _ in attempts] == [1, 2]
    assert attempts[0][1] != attempts[1][1]


@pytest.mark.usefixtures("quick_retries")
def test_a_stage_that_always_kills_its_worker_fails_the_run(workshop):
    workshop.behave("i1/train", *["die"] * 9)

    conclusion = workshop.run()

    assert (conclusion.end, conclusion.exit_code) == ("Failed", ExitCode.DEFECT)
    assert "i1/train" in conclusion.message


@pytest.mark.usefixtures("quick_retries")
def test_a_worker_that_leaves_without_a_word_has_failed(workshop):
    workshop.behave("i1/merge", "leave")

    # Exit code 0 without a result is a defect of the worker: it is not tried again.
    assert workshop.run().exit_code is ExitCode.DEFECT


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
def test_a_run_that_cannot_go_on_ends_with_cause_and_code_and_goes_on_later(
    workshop, stage, behaviour, end, code
):
    workshop.behave(stage, behaviour)

    conclusion = workshop.run()

    assert (conclusion.end, conclusion.exit_code) == (end, code)
    assert f"{behaviour.split()[2]} it is" in conclusion.message
    done = workshop.heard.begun[:-1]
    assert workshop.run().end == "Succeeded"
    assert workshop.heard.begun == [stage for stage in STAGES if stage not in done]


@pytest.mark.usefixtures("quick_retries")
def test_a_full_disk_that_stays_full_ends_with_its_own_code(workshop):
    workshop.behave("i1/respond", *["fail 74 DiskFull"] * 9)

    assert workshop.run().exit_code is ExitCode.DISK


def test_stopping_waits_for_the_workers_and_the_same_command_goes_on(workshop):
    workshop.behave("i1/respond", "hang")
    workshop.heard.on_progress = lambda attempt: attempt.stage == "i1/respond" and workshop.stop()

    conclusion = workshop.run()

    assert (conclusion.end, conclusion.exit_code) == ("Stopped", ExitCode.STOPPED)
    assert workshop.heard.ends[-1].stages == ("i1/respond",)
    assert workshop.run().end == "Succeeded"
    assert workshop.heard.begun == STAGES[STAGES.index("i1/respond") :]


def test_a_second_request_kills_a_worker_that_does_not_stop(workshop):
    workshop.behave("i1/respond", "stubborn")

    def stop_twice(attempt):
        if attempt.stage == "i1/respond":
            workshop.stop()
            workshop.stop()

    workshop.heard.on_progress = stop_twice

    assert workshop.run().exit_code is ExitCode.STOPPED


def test_a_request_before_the_first_stage_stops_at_once(workshop):
    workshop.stop()

    assert workshop.run().end == "Stopped"
    assert workshop.orders == []


def test_an_edited_spec_is_a_new_generation_and_keeps_what_its_keys_keep(workshop):
    workshop.run()
    workshop.spec["selection"]["threshold"] = 3

    assert workshop.run().end == "Succeeded"

    assert workshop.stored().read().generation == 2
    # Pairs and scores do not depend on the threshold, so none is made anew.
    assert "i1/select" in workshop.heard.begun
    assert not {"i1/generate/r1", "i1/respond", "i1/assess"} & set(workshop.heard.begun)
    workshop.run()
    assert workshop.stored().read().generation == 2


def test_a_suspended_run_stands_still(workshop):
    workshop.spec["suspend"] = True

    conclusion = workshop.run()

    assert (conclusion.end, conclusion.exit_code) == ("Suspended", ExitCode.DONE)
    assert workshop.orders == []


def test_a_lost_status_costs_no_work(workshop):
    workshop.run()
    workshop.store.delete("default/runs/lamb/status.json")
    made = len(list(workshop.store.list("default/stages/")))

    assert workshop.run().end == "Succeeded"

    assert len(list(workshop.store.list("default/stages/"))) == made


def test_the_parts_of_a_stage_are_shared_by_a_worker_for_each_gpu(workshop):
    workshop.environment["CUDA_VISIBLE_DEVICES"] = "0,1"
    workshop.spec["instructions"]["count"] = 1000  # 125 completions, two parts

    workshop.behave("i1/curate/r1", "fail 70 Defect")
    workshop.run()

    shares = {share for _, stage, _, share in workshop.orders if stage == "i1/generate/r1"}
    assert shares == {"0/2", "1/2"}
    processes = {pid for pid, stage, *_ in workshop.orders if stage == "i1/generate/r1"}
    assert len(processes) == 2


@pytest.mark.usefixtures("quick_retries")
def test_a_share_that_dies_is_done_by_the_next_attempt(workshop):
    workshop.environment["CUDA_VISIBLE_DEVICES"] = "0,1"
    workshop.spec["instructions"]["count"] = 1000
    workshop.behave("i1/generate/r1", "die")
    workshop.behave("i1/curate/r1", "fail 70 Defect")

    workshop.run()

    errors = [end.error for end in workshop.heard.ends][:3]
    assert [error is None for error in errors] == [True, False, True], errors


def test_too_few_gpus_are_told(workshop):
    workshop.environment["CUDA_VISIBLE_DEVICES"] = "0"
    workshop.spec["engine"] = {"type": "VLLM", "vllm": {"tensorParallelSize": 2}}

    with pytest.raises(ValueError, match="tensorParallelSize is 2, but this machine shows 1"):
        workshop.run()


def test_an_attempt_past_its_deadline_is_stopped(workshop):
    from dataclasses import replace

    from isheep.planner.plan import plan
    from isheep.planner.types import Start

    def impatient(*arguments):
        made = plan(*arguments)
        actions = tuple(
            replace(a, deadline_seconds=1)
            if isinstance(a, Start) and a.order.steps[0].id == "i1/respond"
            else a
            for a in made.actions
        )
        return replace(made, actions=actions)

    workshop.behave("i1/respond", "hang")
    workshop.heard.on_progress = lambda _: None
    stop_later = workshop.heard.ended

    def ended(end):
        stop_later(end)
        if end.error is not None:
            workshop.stop()

    workshop.heard.ended = ended
    workshop.run(planner=impatient)

    assert workshop.heard.ends[-1].error == "stopped: it ran for more than its 1 s"
