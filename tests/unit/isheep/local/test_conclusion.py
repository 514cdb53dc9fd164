from datetime import UTC, datetime

import pytest

from isheep.api.status import Condition, SelfAlignmentRunStatus
from isheep.contract.exit_codes import ExitCode
from isheep.local.conclusion import conclusion_of
from isheep.planner.conditions import RunPhase, State, conditions

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def status(standing, reason="Reason", generation=1):
    made: tuple[Condition, ...] = conditions(State(standing, reason, "why"), (), generation, NOW)
    return SelfAlignmentRunStatus(observed_generation=generation, conditions=made)


@pytest.mark.parametrize(
    ("standing", "reason", "worker_code", "expected"),
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
def test_the_state_decides_the_end_and_the_cause_the_code(standing, reason, worker_code, expected):
    conclusion = conclusion_of(status(standing, reason), 1, worker_code)
    assert (conclusion and (conclusion.end, int(conclusion.exit_code))) == expected


def test_what_was_so_in_an_earlier_generation_is_no_end():
    assert conclusion_of(status(RunPhase.SUCCEEDED, generation=1), 2) is None


def test_every_exit_code_says_whose_turn_it_is():
    failed = conclusion_of(status(RunPhase.FAILED, "Defect"), 1, None)
    assert failed.exit_code is ExitCode.DEFECT
    assert failed.message == "Defect: why"
