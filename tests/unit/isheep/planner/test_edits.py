"""Which fields an edit changes, and which stages depend on them."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.edits import (
    READ_BY_PREPARE,
    Basis,
    causes,
    changed_fields,
    prepare_can_differ,
)
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from ..recipes.stages_of import PREPARED

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
LATER = ("train", "merge", "report")


def document(**fields: Any) -> dict[str, Any]:
    required = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://o/m"}}
    return SelfAlignmentRunSpec.read(required | fields).document()


@pytest.mark.parametrize(
    ("edit", "fields"),
    [
        ({}, ()),
        ({"activeDeadlineSeconds": 7200}, ()),
        ({"compute": {"inference": {"parallelism": 2}}}, ()),
        ({"selection": {"threshold": 7}}, ("selection.threshold",)),
        ({"seedTasks": {"storageUri": "file:///x"}}, ("seedTasks",)),
        (
            {"selection": {"threshold": 7}, "training": {"lora": {"r": 4}}},
            ("selection.threshold", "training.lora.r"),
        ),
    ],
)
def test_the_changed_fields(edit: dict[str, Any], fields: tuple[str, ...]) -> None:
    assert changed_fields(document(), document(**edit)) == fields
    assert changed_fields(document(**edit), document()) == fields


@pytest.mark.parametrize(
    ("edit", "stages"),
    [
        ({"selection": {"threshold": 7}}, ("select", *LATER)),
        ({"training": {"learningRate": 0.01}}, LATER),
        ({"training": {"lora": {"r": 4}}}, LATER),
        (
            {"curation": {"deduplication": {"maxRougeL": 0.5}}},
            ("curate/r1", "respond", "assess", "select", *LATER),
        ),
        ({"compute": {"inference": {"parallelism": 2}}}, ()),
    ],
)
def test_the_stages_of_a_changed_field(edit: dict[str, Any], stages: tuple[str, ...]) -> None:
    before, now = document(), document(**edit)
    made = causes(before, now, Basis(RECIPES["ISheep"], lambda _: PREPARED, VERSIONS, {}))
    fields = changed_fields(before, now)
    expected = {f"i1/{stage}" for stage in stages} | ({"prepare"} if fields else set())
    assert made == dict.fromkeys(expected, fields)


def test_a_stage_has_only_the_fields_that_it_depends_on() -> None:
    edit = {"selection": {"threshold": 7}, "training": {"learningRate": 0.01}}
    basis = Basis(RECIPES["ISheep"], lambda _: PREPARED, VERSIONS, {})
    made = causes(document(), document(**edit), basis)
    assert made["i1/select"] == ("selection.threshold",)
    assert made["i1/train"] == ("selection.threshold", "training.learningRate")


def test_a_new_iteration_is_caused_by_its_field() -> None:
    basis = Basis(RECIPES["ISheep"], lambda _: PREPARED, VERSIONS, {})
    made = causes(document(), document(iterations=2), basis)
    assert made["i2/generate/r1"] == ("iterations",)
    assert "i1/respond" not in made


def test_prepare_reads_a_field_with_its_members() -> None:
    fields = ("engine.type", "selection.method", "selection.methods", "training.learningRate")
    assert prepare_can_differ(fields) == ("engine.type", "selection.method")


def test_each_field_of_the_spec_is_read_by_prepare_or_known_not_to_change_its_result() -> None:
    """A new stage has prompts, whose lengths prepare measures: `yardstick` was missing here."""
    unread = {"recipe", "iterations", "randomSeed", "training", "safeguards", "best", "stopping"}
    no_data = {"suspend", "activeDeadlineSeconds", "serviceAccountName", "storage", "compute"}
    no_data |= {"managedBy", "ttlSecondsAfterFinished"}
    fields = {field.alias or name for name, field in SelfAlignmentRunSpec.model_fields.items()}
    assert fields == {read.partition(".")[0] for read in READ_BY_PREPARE} | unread | no_data
