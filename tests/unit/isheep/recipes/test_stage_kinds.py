"""The table of stage kinds."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from isheep.contract.choices import Pool
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, STAGE_VERSIONS, StageKind


@pytest.mark.parametrize("kind", StageKind)
def test_each_kind_has_a_row_and_a_program_of_the_worker(kind: StageKind) -> None:
    assert kind in STAGE_DEFINITIONS
    assert find_spec(f"isheep_worker.stages.{kind}") is not None


def test_each_kind_has_its_own_settings() -> None:
    settings = [definition.settings for definition in STAGE_DEFINITIONS.values()]
    assert len(set(settings)) == len(settings)


def test_each_run_executes_its_own_prepare_and_report() -> None:
    own = {kind for kind, definition in STAGE_DEFINITIONS.items() if not definition.adoptable}
    assert own == {StageKind.PREPARE, StageKind.REPORT}


def test_no_stage_uses_an_engine_after_the_training_of_its_iteration() -> None:
    kinds = list(STAGE_DEFINITIONS)
    after = kinds[kinds.index(StageKind.TRAIN) :]
    assert after == [kind for kind in kinds if STAGE_DEFINITIONS[kind].after_inference]
    assert all(STAGE_DEFINITIONS[kind].pool is not Pool.INFERENCE for kind in after)


def test_the_versions_are_those_of_the_table() -> None:
    """A version in a key never decreases, so this test names the versions that were raised."""
    assert {kind: version for kind, version in STAGE_VERSIONS.items() if version > 1} == {
        StageKind.CURATE: 3,
        StageKind.TOPICS: 3,
        StageKind.INSTANTIATE: 3,
        StageKind.RESPOND: 3,
        StageKind.ASSESS: 4,
        StageKind.CONTROLS: 3,
        StageKind.MEASURE: 4,
        StageKind.SCORE: 2,
        StageKind.JUDGE: 2,
        StageKind.VERDICT: 5,
        StageKind.SELECT: 4,
        StageKind.TRAIN: 6,
        StageKind.REPORT: 8,
    }
