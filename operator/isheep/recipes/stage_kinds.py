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
        Pool.PROCESSING,
        s.CurateSettings,
        version=2,  # compares texts in their plain form, and spares lists and labels of good tasks
        essential_statistics=("accepted",),
    ),
    StageKind.TOPICS: StageDefinition(
        Pool.PROCESSING,
        s.TopicsSettings,
        version=2,  # compares topics in their plain form
        essential_statistics=("accepted",),
    ),
    StageKind.CLASSIFY: StageDefinition(Pool.INFERENCE, s.ClassifySettings),
    StageKind.INSTANTIATE: StageDefinition(
        Pool.INFERENCE,
        s.InstantiateSettings,
        version=2,  # compares instances in their plain form, and drops thoughts
    ),
    StageKind.RESPOND: StageDefinition(Pool.INFERENCE, s.RespondSettings),
    StageKind.ASSESS: StageDefinition(
        Pool.INFERENCE,
        s.AssessSettings,
        # reads scores in more forms, and stops most answers after the score; drops cut responses
        # and thoughts, and keeps code
        version=2,
    ),
    StageKind.MEASURE: StageDefinition(
        Pool.INFERENCE,
        s.MeasureSettings,
        version=2,  # drops cut responses and thoughts, and keeps code
    ),
    StageKind.SELECT: StageDefinition(
        Pool.PROCESSING,
        s.SelectSettings,
        version=2,  # drops cut responses and thoughts, and keeps code
        essential_statistics=("kept", "meanScore"),
    ),
    StageKind.TRAIN: StageDefinition(
        Pool.TRAINING,
        s.TrainSettings,
        # leaves out the end of the turn of a response that was cut; holds out pairs by their own
        # hash and not by the stage's, and near copies together; adapts experts, and no vision tower
        # and names a base on the hub in the adapter; the training loss is that of M(t)'s steps
        version=4,
        essential_statistics=("samples", "trainLoss", "evalLoss", "validationSamples"),
    ),
    StageKind.MERGE: StageDefinition(Pool.PROCESSING, s.MergeSettings),
    StageKind.REPORT: StageDefinition(
        Pool.PROCESSING,
        s.ReportSettings,
        version=4,  # shows the assessor's first answers, and a wrong language
    ),
}

STAGE_VERSIONS: Mapping[StageKind, int] = {
    kind: definition.version for kind, definition in STAGE_DEFINITIONS.items()
}
"""The current version of each stage kind."""
