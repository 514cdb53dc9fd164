"""Checks of an order: stage kinds, stage versions and settings.

The definitions come from `isheep.recipes.stage_kinds`, which the control plane uses as well.
"""

from __future__ import annotations

from pydantic import ValidationError

from isheep.contract.order import ContractError, StageOrder, Step
from isheep.recipes.settings import StageSettings
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, STAGE_VERSIONS, StageKind


def check_versions(order: StageOrder) -> None:
    """Raise `ContractError` if the order needs a stage kind or version that this worker lacks."""
    known = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
    for step in order.steps:
        if step.kind not in known:
            raise ContractError(
                f"{step.id}: this worker has no stage {step.kind!r}, only {', '.join(known)}; "
                "use a worker image of the operator's version"
            )
        if step.version != known[step.kind]:
            raise ContractError(
                f"{step.id}: the run is pinned to version {step.version} of {step.kind}, but this "
                f"worker has version {known[step.kind]}; use the worker image with which the run "
                "started, or edit the run's spec so that its versions are pinned again"
            )


def read_settings(step: Step) -> StageSettings:
    """Return the settings of a stage; raises `ContractError` if they are invalid."""
    try:
        return STAGE_DEFINITIONS[StageKind(step.kind)].settings.model_validate(step.settings)
    except ValidationError as error:
        raise ContractError(f"{step.id}: this worker cannot read its settings: {error}") from error
