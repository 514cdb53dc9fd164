"""The stage kinds: one table with all that the control plane and the worker need of each kind.

To add a stage kind, add a member and a row here, a settings class in `settings.py`, a function in
`builders/` that builds the stage, and a program of the same name in the worker's `stages/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from isheep.contract.choices import Pool
from isheep.contract.stage_ids import kind_name
from isheep.recipes import evaluation_settings as e
from isheep.recipes import settings as s


class StageKind(StrEnum):
    """The kinds of stages; each is one program of the worker."""

    PREPARE = "prepare"
    GENERATE = "generate"
    TOPICS = "topics"
    CURATE = "curate"
    CLASSIFY = "classify"
    INSTANTIATE = "instantiate"
    RESPOND = "respond"
    ASSESS = "assess"
    CONTROLS = "controls"
    ANCHORS = "anchors"
    MEASURE = "measure"
    EVALUATE = "evaluate"
    SCORE = "score"
    JUDGE = "judge"
    VERDICT = "verdict"
    SELECT = "select"
    TRAIN = "train"
    MERGE = "merge"
    REPORT = "report"


class JobRole(StrEnum):
    """What the pods of one Job do in an iteration. They may walk through all stages of a role."""

    GENERATION = "generation"
    ASSESSMENT = "assessment"


@dataclass(frozen=True, slots=True)
class FunnelBar:
    """One line of the report's funnel: its label, and the statistic of the stage that it shows.

    A line shows the sum over the rounds, or the statistic of the last round if `of_last_round`.
    """

    label: str
    statistic: str
    of_last_round: bool = False


@dataclass(frozen=True, slots=True)
class Funnel:
    """The lines of one stage kind in the report's funnel, in the order of what happens.

    A stage that parses texts has `source`, the texts, and `parsed`, the items that it reads from
    them; `found` is the label of these items and of the parse failures together. With these lines
    a new count begins, because an item is not a text.

    Another stage reads the items of the stage before: `reads` has the statistics whose sum is their
    number. `left_out` is the label of the items of the stage before that the stage does not read.

    A line for each of `notes` describes some of the items, if there are such items. A line for each
    reason for drops follows, one for each of `set_apart`, and `result`. A stage
    with `drops_of` shows drops that this later stage counts, because that stage gives each item one
    reason. `describes` is true if the result need not be what remains of the items.
    """

    result: FunnelBar
    source: FunnelBar | None = None
    found: str = ""
    parsed: FunnelBar | None = None
    reads: tuple[str, ...] = ()
    left_out: str = ""
    notes: tuple[FunnelBar, ...] = ()
    set_apart: tuple[FunnelBar, ...] = ()
    drops_of: str | None = None
    describes: bool = False


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

    `role` is the role of the inference pods that can execute the stage within a walk. A stage of
    the processing pool has a role if it lies between stages of that role.

    `adoptable` is True if a run can use the committed output of another run. Each run executes
    `prepare` itself, because it reads the inputs, and `report`, because it describes this run.

    `optional` is True if the run continues without the stage when it fails finally. No other stage
    of the method reads its output.

    `reads_whole_inputs` is True if each part of the output depends on all of the input. Other
    stages with parts make part i of the output from part i of the input.

    `after_inference` is True if no later stage of the same iteration loads a model for inference,
    except for the measurement of the last model.

    `funnel` has the lines of the kind in the report. The funnel shows the kinds in the order of
    the table.
    """

    pool: Pool
    settings: type[s.StageSettings]
    version: int = 1
    essential_statistics: tuple[str, ...] = ()
    role: JobRole | None = None
    adoptable: bool = True
    optional: bool = False
    reads_whole_inputs: bool = False
    after_inference: bool = False
    funnel: Funnel | None = None


STAGE_DEFINITIONS: Mapping[StageKind, StageDefinition] = {
    StageKind.PREPARE: StageDefinition(Pool.PROCESSING, s.PrepareSettings, adoptable=False),
    StageKind.GENERATE: StageDefinition(
        Pool.INFERENCE, s.GenerateSettings, role=JobRole.GENERATION
    ),
    StageKind.TOPICS: StageDefinition(
        Pool.PROCESSING,
        s.TopicsSettings,
        version=3,  # compares topics in their plain form, without any invisible character
        essential_statistics=("accepted",),
        role=JobRole.GENERATION,
        funnel=Funnel(
            source=FunnelBar("completions for topics", "completions"),
            found="topics and unreadable texts",
            parsed=FunnelBar("topics parsed", "parsed"),
            result=FunnelBar("topics accepted", "accepted", of_last_round=True),
        ),
    ),
    StageKind.CURATE: StageDefinition(
        Pool.PROCESSING,
        s.CurateSettings,
        # compares texts in their plain form, without any invisible character, and spares lists and
        # labels of good tasks
        version=3,
        essential_statistics=("accepted",),
        role=JobRole.GENERATION,
        funnel=Funnel(
            source=FunnelBar("completions", "completions"),
            found="instructions and unreadable texts",
            parsed=FunnelBar("instructions parsed", "parsed"),
            result=FunnelBar("instructions accepted", "accepted", of_last_round=True),
        ),
    ),
    StageKind.CLASSIFY: StageDefinition(
        Pool.INFERENCE,
        s.ClassifySettings,
        role=JobRole.GENERATION,
        funnel=Funnel(
            FunnelBar("classifications", "classifications"),
            reads=("instructions",),
            describes=True,
        ),
    ),
    StageKind.INSTANTIATE: StageDefinition(
        Pool.INFERENCE,
        s.InstantiateSettings,
        # compares instances in their plain form, without any invisible character; drops thoughts
        version=3,
        role=JobRole.GENERATION,
        funnel=Funnel(
            source=FunnelBar("instructions instantiated", "instructions"),
            found="instances and unreadable texts",
            parsed=FunnelBar("instances parsed", "parsed"),
            result=FunnelBar("pairs instantiated", "pairs"),
        ),
    ),
    StageKind.RESPOND: StageDefinition(
        Pool.INFERENCE,
        s.RespondSettings,
        version=3,  # removes thoughts before the answer; stores the log-probability of the tokens
        role=JobRole.GENERATION,
        funnel=Funnel(
            FunnelBar("pairs answered", "pairs"),
            reads=("pairs",),
            left_out="not drawn to be answered",
            notes=(FunnelBar("responses without their thoughts", "thoughtsRemoved"),),
        ),
    ),
    StageKind.ASSESS: StageDefinition(
        Pool.INFERENCE,
        s.AssessSettings,
        # reads scores in more forms, and stops most answers after the score; drops cut responses
        # and thoughts, and keeps code; spares code with labels of speakers (ISheepCode, Dromedary);
        # no invisible character hides a score or makes a response non-empty
        version=4,
        role=JobRole.ASSESSMENT,
        funnel=Funnel(
            FunnelBar("pairs scored", "scored"), reads=("pairs",), drops_of="select", describes=True
        ),
    ),
    StageKind.CONTROLS: StageDefinition(
        Pool.INFERENCE,
        s.ControlSettings,
        # no invisible character hides a score; damages responses in scripts without spaces too
        version=3,
        role=JobRole.ASSESSMENT,
        optional=True,
        reads_whole_inputs=True,
    ),
    StageKind.ANCHORS: StageDefinition(
        Pool.INFERENCE,
        s.AnchorSettings,
        role=JobRole.ASSESSMENT,
        optional=True,
        reads_whole_inputs=True,
    ),
    StageKind.MEASURE: StageDefinition(
        Pool.INFERENCE,
        s.MeasureSettings,
        # drops cut responses and thoughts, and keeps code; spares code with labels of speakers
        # (ISheepCode, Dromedary); a response has the tokens that it has after its prompt, and is
        # empty if all its characters are invisible
        version=4,
        role=JobRole.ASSESSMENT,
        funnel=Funnel(
            FunnelBar("pairs measured", "measured"),
            reads=("pairs",),
            drops_of="select",
            describes=True,
        ),
    ),
    StageKind.EVALUATE: StageDefinition(
        Pool.INFERENCE,
        e.EvaluateSettings,
        essential_statistics=("items",),
        role=JobRole.GENERATION,
        optional=True,
    ),
    StageKind.SCORE: StageDefinition(
        Pool.PROCESSING,
        e.ScoreSettings,
        version=2,  # has no values of items for a metric of the whole benchmark (perplexity)
        essential_statistics=("items",),
        optional=True,
    ),
    StageKind.JUDGE: StageDefinition(
        Pool.INFERENCE,
        e.JudgeSettings,
        version=2,  # no invisible character hides a verdict
        essential_statistics=("items",),
        optional=True,
    ),
    StageKind.VERDICT: StageDefinition(
        Pool.PROCESSING,
        e.VerdictSettings,
        # decides how the run goes on, and compares the models on benchmarks; reads the
        # log-probabilities of the responses and the exemplars of the prompts; has intervals of the
        # figures of D(t), and its overlap with the tasks of the yardstick; no invisible character
        # divides a word; a small D(t) cuts no other one; a later improvement counts
        version=5,
        essential_statistics=(
            *("items", "difference", "lower", "upper"),
            *("alarms", "alarmRule"),
            *("action", "best", "bestReason", "bestValue"),
            *("benchmarkItems", "benchmarkDifference", "benchmarkLower", "benchmarkUpper"),
            *("judgementItems", "judgementRate", "judgementLower", "judgementUpper"),
            *("gradeItems", "gradeMean", "gradeDifference", "gradeLower", "gradeUpper"),
            *("secondMean", "secondDifference", "secondLower", "secondUpper", "secondItems"),
        ),
        optional=True,
    ),
    StageKind.SELECT: StageDefinition(
        Pool.PROCESSING,
        s.SelectSettings,
        # drops cut responses and thoughts, and keeps code; spares code with labels of speakers
        # (ISheepCode, Dromedary); drops responses whose characters are all invisible
        version=4,
        essential_statistics=("kept", "meanScore"),
        funnel=Funnel(FunnelBar("pairs kept: D(t)", "kept")),
    ),
    StageKind.TRAIN: StageDefinition(
        Pool.TRAINING,
        s.TrainSettings,
        # leaves out the end of the turn of a response that was cut; holds out pairs by their own
        # hash and not by the stage's, and near copies together; adapts experts, and no vision tower
        # and names a base on the hub in the adapter; the training loss is that of M(t)'s steps;
        # cuts micro-batches by real tokens, so that dropout draws other masks; a response has the
        # tokens that it has after its prompt; no invisible character hides a near copy
        version=6,
        essential_statistics=("samples", "trainLoss", "evalLoss", "validationSamples"),
        after_inference=True,
        funnel=Funnel(
            FunnelBar("pairs trained on", "samples"),
            reads=("samples", "validationSamples", "drop:no-label"),
            left_out="beyond training.maxSamples",
            set_apart=(FunnelBar("pairs held out for validation", "validationSamples"),),
        ),
    ),
    StageKind.MERGE: StageDefinition(Pool.PROCESSING, s.MergeSettings, after_inference=True),
    StageKind.REPORT: StageDefinition(
        Pool.PROCESSING,
        s.ReportSettings,
        # shows the assessor's first answers, and a wrong language; the funnel adds up, the charts
        # have axes, and the pairs of each reason are drawn and are in a file; shows whether
        # responses satisfy the constraints of their instructions; shows every invisible character;
        # equal scores of pairs and controls see no damage
        version=8,
        adoptable=False,
        after_inference=True,
    ),
}

STAGE_VERSIONS: Mapping[StageKind, int] = {
    kind: definition.version for kind, definition in STAGE_DEFINITIONS.items()
}
"""The current version of each stage kind."""


@lru_cache(maxsize=1024)
def kind_of(stage: str) -> StageKind:
    """Return the kind in the id of a stage such as `prepare`, `i2/respond`, `i1/generate/r3`."""
    return StageKind(kind_name(stage))
