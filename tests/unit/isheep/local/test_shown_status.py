from datetime import UTC, datetime

import pytest

from isheep.api.status import Condition, SelfAlignmentRunStatus
from isheep.local.shown_status import relocated, shown_phase, shown_status
from isheep.planner.types import RunView

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def run(phase, condition=None, observed=1, **fields):
    conditions = []
    if condition is not None:
        conditions = [
            Condition(
                type=condition,
                status="True",
                reason="Defect",
                message="m",
                last_transition_time=NOW.isoformat(),
                observed_generation=observed,
            )
        ]
    status = SelfAlignmentRunStatus(
        phase=phase, conditions=tuple(conditions), observed_generation=observed, **fields
    )
    return RunView("team", "lamb", "u", 1, NOW, {}, status, {})


@pytest.mark.parametrize(
    ("seen", "executed", "phase"),
    [
        (run("Running", "Reconciling"), True, "Running"),
        (run("Running", "Reconciling"), False, "Interrupted"),
        (run("Pending", "Reconciling"), False, "Interrupted"),
        (run(None, observed=-1), False, "Interrupted"),
        (run(None, observed=-1), True, "Pending"),
        (run("Succeeded", "Complete"), False, "Succeeded"),
        (run("Failed", "Failed"), False, "Failed"),
        (run("Stalled", "Stalled"), False, "Stalled"),
        (run("Suspended", "Suspended"), False, "Suspended"),
        # The spec was edited, and the process was killed before its first plan.
        (run("Succeeded", "Complete", observed=0), False, "Interrupted"),
    ],
)
def test_a_run_that_has_not_ended_and_that_nobody_executes_is_interrupted(seen, executed, phase):
    assert shown_phase(seen, executed=executed) == phase


def test_locations_are_those_of_the_store_as_it_is_found():
    seen = run(
        "Succeeded",
        "Complete",
        model_uri="/old/team/stages/abc/files",
        report_uri="/old/team/stages/def/files/report.html",
    )
    shown = shown_status(seen, executed=False, store_uri="/new", report_uri=None)
    assert shown["modelUri"] == "/new/team/stages/abc/files"
    assert "reportUri" not in shown
    assert relocated("hf://org/model", "team", "/new") == "hf://org/model"
