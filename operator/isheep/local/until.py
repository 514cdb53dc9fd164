"""A stage at which a run pauses: `isheep run --until STAGE`."""

from __future__ import annotations

import re

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.exit_codes import ExitCode
from isheep.local.conclusion import Conclusion
from isheep.planner.forecast import forecast
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS

_ROUND = re.compile(r"/r\d+$")


def stages_to_pause_at(spec: SelfAlignmentRunSpec) -> list[str]:
    """Return the ids of a run's stages with one round for each collection, in their order."""
    versions = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
    made = forecast(
        RECIPES[spec.recipe],
        spec,
        None,
        versions,
        lambda _stage, _key: None,
        prepare_committed=False,
    )
    return [one.stage.id for one in made.stages]


def is_stage_of(stage: str, stages: list[str]) -> bool:
    """Return whether a run with these stages can have the given stage, in any round."""
    return _ROUND.sub("/r1", stage) in stages


def paused_at(status: SelfAlignmentRunStatus, stage: str | None) -> Conclusion | None:
    """Return the conclusion of a run that pauses, or None if it has not committed the stage."""
    if stage is None or all(r.id != stage or not r.committed for r in status.stages):
        return None
    return Conclusion("Paused", ExitCode.DONE, f"{stage} is committed, so the run pauses here")
