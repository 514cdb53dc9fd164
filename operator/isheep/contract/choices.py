"""The choices that settings offer, each list named once, and the defaults that two packages share.

A list is a `Literal` alias, so mypy checks every use of it and pydantic writes it as an enum;
`typing.get_args` returns its values in their order. The module imports nothing but the standard
library, because `isheep --help` needs some of the lists and must start quickly.

Two lists are not here: the recipes are in `isheep.api.recipe_registry`, and the stage kinds are in
`isheep.recipes.stage_kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, get_args

# Models and engines.
EngineType = Literal["VLLM", "Transformers"]
Accelerator = Literal["CPU", "GPU"]
WeightFormat = Literal["Float32", "BFloat16", "Float16"]
WeightFormatSetting = Literal["Auto", WeightFormat]
Dtype = Literal["float32", "bfloat16", "float16"]
"""The weight formats as torch names them, which is how keys and orders name them."""
DTYPE_OF: Mapping[WeightFormat, Dtype] = {
    "Float32": "float32",
    "BFloat16": "bfloat16",
    "Float16": "float16",
}
ChatFormatKind = Literal["Own", "ChatML", "Plain"]
ModelSource = Literal["Base", "Previous"]
"""M(0) or M(t-1): the model that scores, or from which a training starts."""
Assessor = Literal[ModelSource, "Judge"]
"""The model that scores pairs; Judge is a model that is none of the run's own models."""
Handover = Literal["Merged", "Adapter"]
"""M(t) as the next iteration reads it, and as `isheep pull` fetches it."""

# Prompts.
PromptFormat = Literal["Raw", "Chat"]
ResponsePromptFormat = Literal["RawThenChat", PromptFormat]
AssessmentPromptFormat = Literal["Auto", PromptFormat]
TaskListStyle = Literal["ISheep", "SelfInstruct", "Alpaca", "Topics", "TopicGuided"]
ResponseStyle = Literal["Principles", "Verbose"]
InstanceStyle = Literal["FewShot", "ZeroShot"]

# Curation.
RuleSetName = Literal["ISheep", "ISheepCode", "SelfInstruct", "Dromedary", "None"]
RuleSetSetting = Literal["Auto", RuleSetName]
DropLast = Literal["IfCut", "Always"]
DeduplicationPool = Literal["Iteration", "Run"]
FaultyResponses = Literal["Drop", "Keep"]
"""What happens to a pair whose response was cut by length, or repeats an item of a benchmark."""
Thinking = Literal["Remove", "Keep"]
"""What happens to the thoughts that a model writes before its answer."""

# Assessment.
Level = Literal["Quality", "Following"]
Rubric = Literal["Simple", "Combined", "InContext"]
Scoring = Literal["Sampled", "Expected"]
Decoding = Literal["Free", "Constrained"]
Parsing = Literal["Tolerant", "Strict"]
ExampleOrder = Literal["Fixed", "Shuffled"]
LabelKind = Literal["DigitsAfterSpace", "DigitsAfterNewline", "LettersAfterNewline"]
ControlKind = Literal["Swapped", "Repeated", "Truncated", "MissingLastSentence", "WrongNumber"]
"""The kinds of damage to a response that a valid score notices, the most obvious one first."""
CONTROL_KINDS: tuple[ControlKind, ...] = get_args(ControlKind)

# Selection.
PerplexityGiven = Literal["Nothing", "Prompt"]
ClusteringMethod = Literal["Density", "DensityPerplexity"]
"""The selection methods that cluster the pairs, and have the settings `selection.density`."""
MeasuringMethod = Literal["Perplexity", ClusteringMethod]
"""The selection methods that read the stage measure."""
JudgingMethod = Literal["SelfAssessment", MeasuringMethod]
"""The selection methods that judge each pair."""
SelectionMethod = Literal[JudgingMethod, "Random", "None"]
SelectionMethodSetting = Literal["Auto", SelectionMethod]

# Training.
TrainingData = Literal["Latest", "All"]
TrainingTake = Literal["Drawn", "First"]
TargetModules = Literal["AllLinear"]
Checkpoint = Literal["LowestValidationLoss", "Last"]

# Export.
ExportFormat = Literal["prompt-completion", "messages", "alpaca", "preference", "text"]
"""The formats in which `isheep export` writes D(t); the first one is the default."""
ExportFileType = Literal["jsonl", "json", "parquet"]
"""The types of its file, and their suffixes."""
RepositoryType = Literal["dataset", "model"]
"""The types of a hub's repositories to which `isheep push` uploads."""

# Compute and storage.
JobGrouping = Literal["PerRole", "PerStage", "Joined"]
"""Which stages of an iteration one Job of inference pods executes."""
RunJobs = Literal["PerPool", "Run"]
"""Whether each pool has Jobs, or one Job executes the whole run."""
WalkGrouping = Literal[JobGrouping, "Run"]
"""Which stages one Job executes, for both of these choices."""
AppArmorProfile = Literal["RuntimeDefault"]
ImagePullPolicy = Literal["Always", "IfNotPresent", "Never"]
Addressing = Literal["Virtual", "Path"]


class Pool(StrEnum):
    """The kinds of pods that stages run in."""

    INFERENCE = "inference"
    TRAINING = "training"
    PROCESSING = "processing"


# Status.
Phase = Literal["Pending", "Running", "Suspended", "Stalled", "Succeeded", "Failed"]
ShownPhase = Phase | Literal["Interrupted"]
"""A phase as `isheep status` shows it. Interrupted is derived when it is read, and never stored."""
ConditionType = Literal[
    "Reconciling",
    "Ready",
    "Complete",
    "Stalled",
    "Failed",
    "Suspended",
    "Evaluated",
    "Degrading",
    "Expiring",
]
GuardRuleName = Literal[
    "YardstickLoss",
    "ShorterAnswers",
    "CutAnswers",
    "Repetition",
    "SimilarAnswers",
    "CopiedInstruction",
    "FewerPhrases",
    "SimilarInstructions",
    "RepeatedInstructions",
    "FewerVerbs",
    "FewerSeeds",
    "TopScores",
    "EqualScores",
    "Certainty",
    "LenientAssessor",
]
GUARD_RULE_NAMES: tuple[GuardRuleName, ...] = get_args(GuardRuleName)
"""The rules of the guards; a verdict names a rule by its place here, so a new rule is the last."""
DecisiveAction = Literal["Stop", "RollBack"]
"""What a run does after an alarm of a guard if the alarm decides how the run goes on."""
SafeguardAction = Literal["Warn", DecisiveAction, "Off"]
"""What a run does after an alarm of a guard."""
VerdictAction = Literal["Continue", "Stop", "RollBack", "Missing"]
"""What a run does after a verdict; Missing: a rule needs a figure that could not be measured."""
VERDICT_ACTIONS: tuple[VerdictAction, ...] = get_args(VerdictAction)
"""A verdict names its action by its place here."""
BestReason = Literal["Improved", "BaseIsBest", "TooFewItems"]
"""Why a model is the best one: better than M(0), M(0) itself, or the last one for lack of items."""
BEST_REASONS: tuple[BestReason, ...] = get_args(BestReason)
"""A verdict names the reason by its place here."""
BenchmarkRole = Literal["Validation", "Test"]
"""Whether decisions may read a benchmark, or whether it only reports the result."""
BenchmarkFormat = Literal["Raw", "Chat", "Both"]
"""The prompt formats in which M(0) is evaluated; Both measures the format apart."""
BenchmarkOverlap = Literal["Drop", "Report"]
"""What happens to instructions and responses that overlap with a benchmark."""
JudgementKind = Literal["WinRate", "Grades"]
"""How a judge judges the answers of M(t): it chooses the better one of two, or grades each one."""
JudgementOpponent = Literal["Base", "Outputs"]
"""Whose answers the judge compares with those of M(t): M(0), or the user's file."""
EndCondition = Literal["Complete", "Failed"]
"""The conditions with which a run ends; `isheep wait` awaits one of them."""
CheckState = Literal["ok", "failed", "unknown"]
"""The result of a check of `isheep doctor`."""
ConditionStatus = Literal["True", "False", "Unknown"]

# Defaults that the API and another package share.
BUILTIN_SEED_TASKS: Literal["Default"] = "Default"
"""The name of the seed tasks that the software contains."""
MAX_ROUGE_L = 0.7
"""The ROUGE-L F1 above which an instruction is a duplicate (§3.2)."""
CONTAMINATION_NGRAM = 13
"""Consecutive words shared with a benchmark that count as contamination."""
LEAST_NGRAM, MOST_NGRAM = 4, 64
"""The smallest and the largest number of such words that a user can set."""
MOST_TURNS = 2
"""The largest number of turns of a question whose answers a judge grades."""
EVALUATION_STEPS = 100
"""Optimizer steps between two measurements of the validation loss."""
EXPLANATIONS = 20
"""Pairs of an iteration whose scores are generated with an explanation, for the report."""
GRACE_SECONDS = 120
"""Seconds between SIGTERM and SIGKILL."""
MOST_GRACE_SECONDS = 3600
"""The largest number of such seconds that a user can set."""
CHECKPOINT_SECONDS = 600.0
"""Seconds between two checkpoints of a training."""
