"""The stage kinds: one table with all that the control plane and the worker need of each kind.

To add a stage kind, add a member and a row here, a settings class in `settings.py`, a function in
`builders/` that builds the stage, and a program of the same name in the worker's `stages/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from isheep.contract.choices import Pool
from isheep.recipes import settings as s


class StageKind(StrEnum):
    """The kinds of stages; each is one program of the worker."""

    PREPARE = "prepare"
    GENERATE = "generate"
    CURATE = "curate"
    TOPICS = "topics"
    CLASSIFY = "classify"
    INSTANTIATE = "instantiate"
    RESPOND = "respond"
    ASSESS = "assess"
    MEASURE = "measure"
    SELECT = "select"
    TRAIN = "train"
    MERGE = "merge"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class StageDefinition:
    """What is the same for all stages of one kind.

    `pool` is the kind of pod that runs the stage, and `settings` is the class of the settings that
    are hashed into its key.

    `version` is part of the key too. Raise it when the output for the same input changes. The
    versions of a run are pinned when its generation is first seen, so that an upgrade never trains
    again what is finished or running.

    `essential_statistics` are the statistics that a later stage or the status history depends on.
    A committed stage always has the first one, and has the others if they could be measured.
    """

    pool: Pool
    settings: type[s.StageSettings]
    version: int = 1
    essential_statistics: tuple[str, ...] = ()


STAGE_DEFINITIONS: Mapping[StageKind, StageDefinition] = {
    StageKind.PREPARE: StageDefinition(Pool.PROCESSING, s.PrepareSettings),
    StageKind.GENERATE: StageDefinition(Pool.INFERENCE, s.GenerateSettings),
    StageKind.CURATE: StageDefinition(
        Pool.PROCESSING, s.CurateSettings, essential_statistics=("accepted",)
    ),
    StageKind.TOPICS: StageDefinition(
        Pool.PROCESSING, s.TopicsSettings, essential_statistics=("accepted",)
    ),
    StageKind.CLASSIFY: StageDefinition(Pool.INFERENCE, s.ClassifySettings),
    StageKind.INSTANTIATE: StageDefinition(Pool.INFERENCE, s.InstantiateSettings),
    StageKind.RESPOND: StageDefinition(Pool.INFERENCE, s.RespondSettings),
    StageKind.ASSESS: StageDefinition(Pool.INFERENCE, s.AssessSettings),
    StageKind.MEASURE: StageDefinition(Pool.INFERENCE, s.MeasureSettings),
    StageKind.SELECT: StageDefinition(
        Pool.PROCESSING, s.SelectSettings, essential_statistics=("kept", "meanScore")
    ),
    StageKind.TRAIN: StageDefinition(
        Pool.TRAINING,
        s.TrainSettings,
        version=3,  # stores the adapter with the lowest validation loss, not the last one
        essential_statistics=("samples", "trainLoss", "evalLoss"),
    ),
    StageKind.MERGE: StageDefinition(Pool.PROCESSING, s.MergeSettings),
    StageKind.REPORT: StageDefinition(
        Pool.PROCESSING,
        s.ReportSettings,
        version=3,  # shows which training step M(t) is
    ),
}

STAGE_VERSIONS: Mapping[StageKind, int] = {
    kind: definition.version for kind, definition in STAGE_DEFINITIONS.items()
}
"""The current version of each stage kind."""
