"""The table of stage kinds."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, STAGE_VERSIONS, StageKind


@pytest.mark.parametrize("kind", StageKind)
def test_each_kind_has_a_row_and_a_program_of_the_worker(kind: StageKind) -> None:
    assert kind in STAGE_DEFINITIONS
    assert find_spec(f"isheep_worker.stages.{kind}") is not None


def test_each_kind_has_its_own_settings() -> None:
    settings = [definition.settings for definition in STAGE_DEFINITIONS.values()]
    assert len(set(settings)) == len(settings)


def test_the_versions_are_those_of_the_table() -> None:
    """A version in a key never decreases, so this test names the versions that were raised."""
    assert {kind: version for kind, version in STAGE_VERSIONS.items() if version > 1} == {
        StageKind.CURATE: 2,
        StageKind.TOPICS: 2,
        StageKind.INSTANTIATE: 2,
        StageKind.ASSESS: 2,
        StageKind.MEASURE: 2,
        StageKind.SELECT: 2,
        StageKind.TRAIN: 4,
        StageKind.REPORT: 4,
    }
