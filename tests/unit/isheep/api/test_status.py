"""The status as JSON: all of its fields, and the resolved values as they are."""

from __future__ import annotations

from isheep.api.base import SpecModel
from isheep.api.status import SelfAlignmentRunStatus

from ..planner.simulation import PlannerSimulation


def test_the_document_has_all_fields_and_shares_the_resolved_values() -> None:
    status = PlannerSimulation().run_to_end()
    document = status.document()
    assert document == SpecModel.document(status)
    assert document["resolved"] is status.resolved
    assert SelfAlignmentRunStatus.read(document) == status


def test_a_status_without_resolved_values_has_none_in_its_document() -> None:
    assert "resolved" not in SelfAlignmentRunStatus(phase="Pending").document()
