"""What the planner does in each situation, as a driver would see it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.planner.types import AttemptState, Environment, Peer, Plan, Remove, Start, Stop, Waiting

from .world import SPEC, START, World, make_run, outcome, spec_with

ONE_ITERATION = [
    "prepare",
    "i1/generate/r1",
    "i1/curate/r1",
    "i1/generate/r2",
    "i1/curate/r2",
    "i1/respond",
    "i1/assess",
    "i1/select",
    "i1/train",
    "i1/merge",
    "i1/report",
]

MINUTE = timedelta(minutes=1)


def one_iteration(**changes: Any) -> World:
    return World(make_run(spec_with(**{"iterations": 1, **changes})))


def until(world: World, stage: str) -> str:
    """Go on until a stage is at work; returns its attempt."""
    for _ in range(60):
        world.settle()
        found = [n for n in world.active() if stage in {s.id for s in world.jobs[n].order.steps}]
        if found:
            return found[0]
        for name in world.active():
            world.complete(name)
    raise AssertionError(f"{stage} never starts")


def conditions(status: SelfAlignmentRunStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in status.conditions}


def test_an_undisturbed_run_starts_each_stage_once_and_completes() -> None:
    world = one_iteration()
    status = world.drive()
    assert world.started == ONE_ITERATION
    assert conditions(status) == {"Ready": ("True", "Succeeded"), "Complete": ("True", "Succeeded")}
    assert [(r.id, r.attempts, r.committed) for r in status.stages] == [
        (stage, 1, True) for stage in ONE_ITERATION
    ]
    keys = {r.id: r.key for r in status.stages}
    assert status.model_uri == f"s3://bucket/some/prefix/ns/stages/{keys['i1/merge']}/files"
    assert status.report_uri == (
        f"s3://bucket/some/prefix/ns/stages/{keys['i1/report']}/files/report.html"
    )
    assert status.progress == "1/1"
    (history,) = status.history
    # 5 completions give 15; then 1.1 * 25 / 3 = 10.
    assert (history.completions, history.accepted, history.kept) == (15, 40, 16)
    assert (history.training_loss, history.validation_loss) == (1.25, 1.5)
    assert status.completion_time is not None
    assert world.jobs == {}


def test_the_report_of_an_iteration_does_not_hold_up_the_next() -> None:
    world = World()
    until(world, "i1/report")
    assert {world.jobs[n].order.steps[0].id for n in world.active()} == {
        "i1/report",
        "i2/generate/r1",
    }
    assert world.run.status.progress == "2/2 generate/r1"


def test_a_second_run_over_the_same_store_starts_prepare_and_reports_only() -> None:
    first = World()
    first.drive()
    second = World(make_run(name="second", uid="uid-2"), store=first.store)
    status = second.drive()
    assert second.started == ["prepare", "i1/report", "i2/report"]
    assert sum(second.committed.values()) == 0
    assert outcome(status)["history"] == [
        h.model_copy(update={"mean_score": 8.1235}) for h in outcome(first.run.status)["history"]
    ]


def test_joined_stages_share_an_order() -> None:
    world = one_iteration(compute={"inference": {"jobs": "Joined", "parallelism": 8}})
    name = until(world, "i1/respond")
    assert [s.id for s in world.jobs[name].order.steps] == ["i1/respond", "i1/assess"]
    world.fail(name, 1, only=1)
    world.turn()
    world.now += MINUTE
    world.turn()
    (again,) = world.active()
    assert [s.id for s in world.jobs[again].order.steps] == ["i1/assess"]
    assert world.jobs[again].order.attempt == 2
    assert world.drive().phase == "Succeeded"


def test_a_base_assessor_is_not_joined_to_another_model() -> None:
    world = World(
        make_run(
            spec_with(compute={"inference": {"jobs": "Joined"}}, assessment={"assessor": "Base"})
        )
    )
    first = until(world, "i1/assess")
    assert len(world.jobs[first].order.steps) == 2
    second = until(world, "i2/respond")
    assert len(world.jobs[second].order.steps) == 1


def test_a_status_without_conditions_is_pending_at_first() -> None:
    world = one_iteration()
    made = world.turn()
    assert [type(a) for a in made.actions] == [Start]
    assert made.status.phase == "Pending"
    assert made.status.observed_generation == 1
    assert conditions(made.status) == {
        "Ready": ("False", "Running"),
        "Reconciling": ("True", "Running"),
    }
    assert {c.observed_generation for c in made.status.conditions} == {1}
    assert made.wake_at == START + timedelta(seconds=31536000)
    assert world.turn().status.phase == "Running"


def test_bad_input_stalls_prepare_on_its_schedule_until_it_is_mended() -> None:
    world = one_iteration()
    for minutes in (1, 2, 5, 10, 30, 30):
        world.settle()
        world.fail(world.find("prepare"), 64, reason="ModelNotFound")
        made = world.settle()
        assert conditions(made.status) == {
            "Ready": ("False", "ModelNotFound"),
            "Stalled": ("True", "ModelNotFound"),
        }
        assert made.status.phase == "Stalled"
        assert made.wake_at == world.now + minutes * MINUTE
        assert made.status.last_failure is not None
        assert made.status.last_failure.message == "why"
        world.now = made.wake_at
    assert world.drive().phase == "Succeeded"
    assert world.started.count("prepare") == 7


def test_a_retry_annotation_ends_the_wait_once() -> None:
    world = one_iteration()
    world.turn()
    world.fail(world.find("prepare"), 64)
    world.turn()
    world.retry("please")
    made = world.turn()
    assert [type(a) for a in made.actions] == [Start]
    assert made.status.last_handled_retry == "please"
    world.fail(world.find("prepare"), 64)
    assert world.settle().wake_at == world.now + MINUTE
    assert world.active() == []


def test_an_annotation_that_was_there_before_the_failure_retries_nothing() -> None:
    world = one_iteration()
    world.retry("from the template")
    name = until(world, "i1/respond")
    world.fail(name, 70)
    assert world.drive().phase == "Failed"


@pytest.mark.parametrize(("code", "reason"), [(64, "InvalidInput"), (70, "Defect")])
def test_a_terminal_failure_is_final_until_it_is_retried(code: int, reason: str) -> None:
    world = one_iteration()
    world.fail(until(world, "i1/respond"), code)
    status = world.drive()
    assert conditions(status) == {
        "Ready": ("False", reason),
        "Failed": ("True", reason),
        "Stalled": ("True", reason),
    }
    # The last attempt of the stage stays, for its logs; nothing else is done, ever.
    assert [j.state for j in world.jobs.values()] == [AttemptState.FAILED]
    world.now += timedelta(days=400)
    made = world.turn()
    assert (made.actions, made.status, made.wake_at) == ((), status, None)
    world.retry("mended")
    assert world.drive().phase == "Succeeded"
    assert world.run.status.start_time is not None
    assert world.run.status.start_time > START
    assert world.started.count("i1/respond") == 2
    assert world.started.count("i1/generate/r1") == 1


def test_retries_are_counted_and_end() -> None:
    world = one_iteration()
    until(world, "i1/train")
    for attempt in (1, 2, 3):
        (name,) = world.active()
        assert world.jobs[name].order.attempt == attempt
        world.fail(name, 137)
        made = world.settle()
        assert conditions(made.status)["Reconciling"] == ("True", "Retrying")
        assert made.wake_at == world.now + timedelta(seconds=10 * 4 ** (attempt - 1))
        world.now = made.wake_at
        world.turn()
    world.fail(world.find("i1/train"), None)
    status = world.drive()
    assert conditions(status)["Failed"] == ("True", "RetriesExceeded")
    # Of four failed attempts only the last is kept.
    assert len(world.jobs) == 1


def test_device_memory_gets_smaller_batches() -> None:
    world = one_iteration()
    until(world, "i1/respond")
    for reduction in range(4):
        (name,) = world.active()
        assert world.jobs[name].order.runtime.memory_reduction == reduction
        world.fail(name, 80)
        world.turn()
    assert conditions(world.run.status)["Failed"] == ("True", "OutOfMemory")


def test_disruptions_are_retried_without_end_and_without_count() -> None:
    world = one_iteration()
    until(world, "i1/train")
    for _ in range(9):
        world.fail(world.active()[0], 143)
        made = world.settle()
        assert made.wake_at is not None
        world.now = made.wake_at
        world.turn()
    assert world.drive().phase == "Succeeded"
    (record,) = [r for r in world.run.status.stages if r.id == "i1/train"]
    assert (record.attempts, record.failures) == (10, 0)


def test_a_hold_further_ahead_than_any_wait_is_the_clocks_fault() -> None:
    world = one_iteration()
    world.turn()
    world.now += timedelta(days=2)
    world.fail(world.find("prepare"), 64)
    world.turn()
    world.now -= timedelta(days=2)
    assert [type(a) for a in world.turn().actions] == [Start]


def test_a_prepare_that_hangs_stalls_the_run() -> None:
    world = one_iteration()
    (start,) = (a for a in world.turn().actions if isinstance(a, Start))
    assert start.deadline_seconds == 1800
    world.now += timedelta(seconds=1800)
    world.fail(world.find("prepare"), 143)
    assert conditions(world.turn().status)["Stalled"] == ("True", "PrepareOverdue")


def test_what_an_attempt_waits_for_shows() -> None:
    world = one_iteration()
    name = until(world, "i1/generate/r1")
    world.jobs[name].waiting = Waiting("SecretNotFound", "there is no Secret s3", stalled=True)
    status = world.turn().status
    assert conditions(status)["Stalled"] == ("True", "SecretNotFound")
    assert "Failed" not in conditions(status)
    world.jobs[name].waiting = Waiting("Queued", "behind others", stalled=False)
    assert conditions(world.turn().status) == {
        "Ready": ("False", "Queued"),
        "Reconciling": ("True", "Queued"),
    }
    world.jobs[name].waiting = None
    assert world.turn().status.phase == "Running"


def test_suspension_stops_attempts_and_resumption_makes_the_next() -> None:
    world = one_iteration()
    name = until(world, "i1/respond")
    world.edit(suspend=True)
    made = world.turn()
    assert made.actions == (Stop(name, "Suspended"),)
    assert conditions(made.status) == {
        "Ready": ("False", "Suspended"),
        "Suspended": ("True", "Suspended"),
    }
    assert (made.status.phase, made.wake_at) == ("Suspended", None)
    world.now += timedelta(days=300)
    assert world.turn().actions == ()
    world.edit(suspend=False)
    # What is being stopped still occupies its stage.
    assert world.turn().actions == ()
    assert conditions(world.run.status)["Reconciling"] == ("True", "Stopping")
    world.settle_stopping()
    world.turn()
    (again,) = world.active()
    assert world.jobs[again].order.attempt == 2
    # The time in between is not the run's.
    assert world.run.status.start_time == world.now
    assert world.drive().phase == "Succeeded"


def test_the_deadline_fails_the_run_and_a_retry_gives_it_time_again() -> None:
    world = one_iteration(activeDeadlineSeconds=600)
    name = until(world, "i1/respond")
    made = world.turn()
    assert made.wake_at == START + timedelta(seconds=600)
    world.now = made.wake_at
    made = world.turn()
    assert made.actions == (Stop(name, "DeadlineExceeded"),)
    assert conditions(made.status)["Failed"] == ("True", "DeadlineExceeded")
    world.settle_stopping()
    world.retry("more time")
    assert world.drive().phase == "Succeeded"


def test_an_edit_stops_what_left_the_plan_and_lets_the_rest_run_on() -> None:
    world = one_iteration()
    name = until(world, "i1/respond")
    world.edit(selection={"threshold": 3})
    made = world.turn()
    # Until prepare has spoken nothing is stopped.
    assert [type(a) for a in made.actions] == [Start]
    world.complete(world.find("prepare"))
    assert not any(isinstance(a, Stop) for a in world.turn().actions)
    assert name in world.active()
    world.edit(responses={"sampling": {"maxTokens": 77}})
    world.turn()
    world.complete(world.find("prepare"))
    assert Stop(name, "its stage left the plan") in world.turn().actions
    world.settle_stopping()
    assert world.drive().phase == "Succeeded"
    assert world.started.count("i1/generate/r1") == 1


def test_an_attempt_whose_stage_exists_by_now_is_stopped() -> None:
    world = one_iteration()
    name = until(world, "i1/respond")
    key = world.jobs[name].order.steps[0].key
    world.store[key] = {"pairs": 40.0}
    world.edit(selection={"threshold": 3})
    world.turn()
    world.complete(world.find("prepare"))
    assert Stop(name, "its stage left the plan") in world.turn().actions
    world.settle_stopping()
    assert world.drive().phase == "Succeeded"
    assert world.started.count("i1/respond") == 1


def test_a_failure_that_left_the_plan_is_not_the_last() -> None:
    world = one_iteration()
    world.turn()
    world.fail(world.find("prepare"), 74)
    world.edit(iterations=2)
    world.settle()
    world.complete(world.find("prepare"), only=0)
    failure = world.settle().status.last_failure
    assert failure is not None
    assert "left no commit" in failure.message
    assert world.turn().status.last_failure == failure


def test_an_edit_of_the_threshold_begins_at_select() -> None:
    world = one_iteration()
    world.drive()
    world.started.clear()
    world.edit(selection={"threshold": 3})
    world.drive()
    assert world.started == ["prepare", "i1/select", "i1/train", "i1/merge", "i1/report"]
    world.started.clear()
    world.edit(selection={"threshold": 6})
    world.drive()
    assert world.started == ["prepare", "i1/report"]


def test_an_edit_of_machines_starts_nothing_for_a_complete_run() -> None:
    world = one_iteration()
    world.drive()
    world.started.clear()
    world.edit(compute={"inference": {"parallelism": 4}})
    status = world.drive()
    assert world.started == []
    assert status.observed_generation == 2
    assert status.phase == "Succeeded"


def test_too_few_samples_fail_the_run() -> None:
    world = one_iteration(selection={"minSamples": 1000})
    status = world.drive()
    assert conditions(status)["Failed"] == ("True", "TooFewSamples")
    assert "i1/train" not in world.started


def test_a_hopeless_keep_rate_fails_with_the_counts_of_its_rules() -> None:
    world = one_iteration(instructions={"count": 1000})
    world.yield_per_completion = 0.05
    status = world.drive()
    assert conditions(status)["Failed"] == ("True", "KeepRateTooLow")
    message = status.conditions[0].message
    assert "rouge-l 9, short 3" in message
    assert world.started.count("i1/generate/r3") == 1


def test_a_commit_counts_even_where_another_worker_failed() -> None:
    world = one_iteration()
    name = until(world, "i1/respond")
    world.fail(name, 70, only=1)
    assert world.drive().phase == "Succeeded"
    assert world.started.count("i1/respond") == 1


def test_a_result_is_forgotten_only_after_it_stands_in_the_status() -> None:
    world = one_iteration()
    name = until(world, "i1/respond")
    world.complete(name)
    made = world.turn(lose_status=True)
    assert not any(isinstance(a, Remove) for a in made.actions)
    made = world.turn()
    assert not any(isinstance(a, Remove) for a in made.actions)
    # Nothing else may happen for hours, but there is something to remove.
    assert made.wake_at == world.now
    assert Remove(name) in world.turn().actions


def test_the_younger_of_two_runs_waits_and_adopts() -> None:
    world = one_iteration()
    name = until(world, "i1/respond")
    key = world.jobs[name].order.steps[0].key
    younger = World(
        make_run(spec_with(iterations=1), name="younger", uid="uid-2", created=START + MINUTE),
        store=world.store,
    )
    younger.peers = (Peer("run", "uid-1", START, frozenset({key}), frozenset()),)
    for _ in range(3):
        younger.turn()
        for attempt in younger.active():
            younger.complete(attempt)
    made = younger.turn()
    assert younger.active() == []
    assert conditions(made.status)["Reconciling"] == ("True", "WaitingForPeer")
    assert "the run run makes this stage" in made.status.conditions[0].message
    assert made.wake_at == younger.now + timedelta(seconds=30)
    world.complete(name)
    younger.peers = ()
    assert younger.drive().phase == "Succeeded"
    assert younger.adopted[key] == 1


def test_storage_comes_from_the_run_or_from_the_installation() -> None:
    spec = {k: v for k, v in SPEC.items() if k != "storage"}
    world = World(make_run(spec))
    made = world.turn()
    assert conditions(made.status)["Stalled"] == ("True", "NoStorage")
    assert made.wake_at is not None
    store = StoreSpec(folder=FolderStoreSpec(path="/somewhere"))
    world.environment = Environment(default_storage=store)
    (start,) = (a for a in world.turn().actions if isinstance(a, Start))
    assert start.order.store == store
    assert world.drive().model_uri is not None


def test_a_folder_is_no_storage_for_a_cluster() -> None:
    world = World(make_run({**SPEC, "storage": {"folder": {"path": "data"}}}))
    assert conditions(world.turn().status)["Stalled"] == ("True", "FolderStorage")


def test_a_config_map_that_is_not_there_stalls_until_it_is() -> None:
    world = one_iteration(
        seedTasks={"configMapRef": {"name": "seeds", "key": "tasks.jsonl"}},
        promptsRef={"name": "prompts"},
    )
    assert conditions(world.turn().status)["Stalled"] == ("True", "ConfigMapNotFound")
    world.environment = Environment(config_maps={"seeds": "/a/seeds", "prompts": "/a/prompts/"})
    (start,) = (a for a in world.turn().actions if isinstance(a, Start))
    assert start.order.sources.seed_tasks == "file:///a/seeds/tasks.jsonl"
    assert start.order.sources.templates == "/a/prompts"
    # Only prepare reads them: they may be gone afterwards.
    world.complete(world.find("prepare"))
    world.environment = Environment()
    assert world.drive().phase == "Succeeded"


def test_a_spec_that_cannot_be_read_fails_until_it_is_edited() -> None:
    world = World(make_run({**SPEC, "iterations": "three"}))
    made = world.turn()
    assert conditions(made.status)["Failed"] == ("True", "InvalidSpec")
    assert "spec.iterations" in made.status.conditions[0].message
    # Looked at once more, to remove what an earlier generation has left.
    assert made.wake_at == world.now
    assert world.turn() == Plan((), made.status, None)
    world.edit(iterations=1)
    assert world.drive().phase == "Succeeded"


def test_a_run_that_is_being_deleted_is_left_alone() -> None:
    world = one_iteration()
    until(world, "i1/respond")
    world.run = replace(world.run, deleting=True)
    made = world.plan()
    assert (made.actions, made.status, made.wake_at) == ((), world.run.status, None)


def test_transition_times_move_with_the_status_only() -> None:
    world = one_iteration()
    world.turn()
    until(world, "i1/generate/r1")
    world.now += MINUTE
    until(world, "i1/respond")
    ready, reconciling = world.run.status.conditions
    assert (ready.last_transition_time, reconciling.last_transition_time) == (START, START)
    world.now += MINUTE
    world.edit(suspend=True)
    world.turn()
    ready, suspended = world.run.status.conditions
    assert ready.last_transition_time == START
    assert suspended.last_transition_time == world.now


def test_progress_and_the_estimate_move_with_the_items_only() -> None:
    world = World()
    name = until(world, "i2/respond")
    view = world.jobs[name].view(name)
    observed = replace(world.look(), attempts=(replace(view, items_done=10),))
    world.now += timedelta(seconds=100)

    def plan_now() -> SelfAlignmentRunStatus:
        from isheep.planner.plan import plan

        status = plan(world.run, observed, world.now, world.environment).status
        world.run = replace(world.run, status=status)
        return status

    status = plan_now()
    assert status.progress == "2/2 respond 25%"
    assert status.stage is not None
    assert status.stage.estimated_remaining_seconds == 300
    world.now += timedelta(seconds=100)
    assert plan_now() == status


def test_gpu_seconds_are_those_of_the_attempts() -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": 8}}}
    world = one_iteration(compute={"training": limits})
    name = until(world, "i1/train")
    world.now += MINUTE
    world.fail(name, 143)
    world.turn()
    world.now += MINUTE
    world.turn()
    world.now += MINUTE
    (history,) = world.drive().history
    assert history.gpu_seconds == 8 * (60 + 60)


def test_a_status_of_twenty_iterations_fits_an_object() -> None:
    world = World(make_run(spec_with(iterations=20, instructions={"count": 10000})))
    world.yield_per_completion = 1.0
    for _ in range(4):
        name = until(world, "i1/train")
        world.fail(name, 137)
        made = world.settle()
        world.now = made.wake_at or world.now
    world.retry("again")
    status = world.drive()
    assert status.phase == "Succeeded"
    assert len(json.dumps(status.document()).encode()) < 128 * 1024
    assert len(status.stages) > 200
    assert len(status.history) == 20
