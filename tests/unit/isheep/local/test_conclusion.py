from datetime import UTC, datetime

import pytest

from isheep.api.status import Condition, SelfAlignmentRunStatus
from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.reasons import Reason
from isheep.local.conclusion import conclusion_of
from isheep.planner.conditions import RunPhase, State, conditions

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def status(phase, reason="Reason", generation=1):
    made: tuple[Condition, ...] = conditions(State(phase, reason, "why"), (), generation, NOW)
    return SelfAlignmentRunStatus(observed_generation=generation, conditions=made)


@pytest.mark.parametrize(
    ("phase", "reason", "worker_code", "expected"),
    [
        (RunPhase.PENDING, "Pending", None, None),
        (RunPhase.RUNNING, "Running", 137, None),
        (RunPhase.SUCCEEDED, "Succeeded", None, ("Succeeded", 0)),
        (RunPhase.SUSPENDED, "Suspended", None, ("Suspended", 0)),
        (RunPhase.STALLED, "InvalidInput", None, ("Stalled", 64)),
        (RunPhase.STALLED, "StoreUnreachable", 69, ("Stalled", 69)),
        (RunPhase.STALLED, "ModelNotFound", 64, ("Stalled", 64)),
        (RunPhase.FAILED, "KeepRateTooLow", None, ("Failed", 64)),
        (RunPhase.FAILED, "OutOfMemory", 80, ("Failed", 80)),
        (RunPhase.FAILED, "DiskFull", 74, ("Failed", 74)),
        (RunPhase.FAILED, "RetriesExceeded", 137, ("Failed", 70)),
        (RunPhase.FAILED, "SomethingNew", 137, ("Failed", 70)),
        (RunPhase.FAILED, "SomethingNew", None, ("Failed", 70)),
    ],
)
def test_the_phase_decides_the_end_and_the_reason_the_exit_code(
    phase, reason, worker_code, expected
):
    conclusion = conclusion_of(status(phase, reason), 1, worker_code)
    assert (conclusion and (conclusion.end, int(conclusion.exit_code))) == expected


@pytest.mark.parametrize("phase", [RunPhase.FAILED, RunPhase.STALLED])
@pytest.mark.parametrize("reason", Reason)
def test_the_exit_code_is_that_of_the_reason_else_that_of_the_worker(phase, reason):
    code_of_reason = EXPLANATIONS[reason].exit_code

    for worker_code in (None, ExitCode.DISK, 137):
        code_of_worker = worker_code if worker_code == ExitCode.DISK else ExitCode.DEFECT
        conclusion = conclusion_of(status(phase, reason), 1, worker_code)
        assert conclusion.exit_code == (code_of_reason or code_of_worker)
        assert conclusion.exit_code != ExitCode.DONE


def test_the_status_of_an_earlier_generation_ends_nothing():
    assert conclusion_of(status(RunPhase.SUCCEEDED, generation=1), 2) is None


def test_a_failure_without_a_cause_is_a_defect():
    failed = conclusion_of(status(RunPhase.FAILED, "Defect"), 1, None)
    assert failed.exit_code is ExitCode.DEFECT
    assert failed.message == "Defect: why"
