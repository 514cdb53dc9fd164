"""The rules that types cannot say, each written once, in CEL.

The same text goes into the CRD, where the API server holds runs to it, and is
evaluated here, so that `isheep validate` knows what a cluster would say. A rule
belongs to a model; wherever that model stands in the spec, `self` is the object
there. Rules with `oldSelf` compare an object with what it was and are held by API
servers only when a run is changed.

The rules keep to what every CEL implementation does alike: has, size, in, matches,
all, exists, comparisons within one type, oldSelf. `has` is asked of optional fields
only: one with a default is always there. Google's own implementation evaluates
them: it starts in a tenth of the time of the pure Python one and matches with RE2,
as the API server does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel
from pydantic import BaseModel

from isheep.api.assessment import Assessment
from isheep.api.compute import EnvSource, EnvVar, Toleration
from isheep.api.engine import VllmOptions
from isheep.api.instructions import SeedTasks
from isheep.api.model import Model
from isheep.api.run import SelfAlignmentRun, SelfAlignmentRunSpec
from isheep.api.sampling import Sampling
from isheep.api.selection import RandomSelection, Selection
from isheep.api.self_instruct import SelfInstruct
from isheep.api.storage import Storage
from isheep.api.training import Training


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of one model: it must be true. `field` is the one to look at, "" for the object."""

    model: type[BaseModel]
    expression: str
    message: str
    field: str = ""

    @property
    def is_transition(self) -> bool:
        """Whether the rule compares the object with what it was."""
        return "oldSelf" in self.expression


RULES: tuple[Rule, ...] = (
    Rule(
        SelfAlignmentRun,
        "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
        "metadata.name must begin with a letter, hold lower-case letters, digits and dashes only, "
        "end with a letter or digit and have at most 40 characters: names of Jobs are made from it",
        "metadata.name",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "self.recipe == oldSelf.recipe",
        "recipe cannot be changed: create another run",
        "recipe",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "has(self.storage) == has(oldSelf.storage) "
        "&& (!has(self.storage) || self.storage == oldSelf.storage)",
        "storage cannot be set, changed or removed: what the run has committed would be out of "
        "reach; create another run",
        "storage",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "self.selection.minSamples <= self.instructions.count",
        "selection.minSamples must not be above instructions.count: no iteration could keep so "
        "many",
        "selection.minSamples",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "!has(self.selection.random) || !has(self.selection.random.size) "
        "|| self.selection.random.size <= self.instructions.count",
        "selection.random.size must not be above instructions.count: there are not so many pairs",
        "selection.random.size",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "self.recipe == 'SelfInstruct' || !has(self.selfInstruct)",
        "selfInstruct is for recipe SelfInstruct only",
        "selfInstruct",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "self.recipe == 'Alpaca' || !has(self.alpaca)",
        "alpaca is for recipe Alpaca only",
        "alpaca",
    ),
    # A default is always there, so that what differs from it is what somebody has written.
    Rule(
        SelfAlignmentRunSpec,
        "!(self.recipe in ['SelfInstruct', 'Alpaca']) || self.instructions.examplesPerPrompt == 5",
        "instructions.examplesPerPrompt is not read by this recipe: write "
        "selfInstruct.examplesPerPrompt or alpaca.examplesPerPrompt",
        "instructions.examplesPerPrompt",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "!(self.recipe in ['SelfInstruct', 'Alpaca']) "
        "|| self.instructions.sampling.temperature == 1.0 "
        "&& self.instructions.sampling.topP == 0.95 "
        "&& self.instructions.sampling.maxTokens == 1000 "
        "&& !has(self.instructions.sampling.presencePenalty)",
        "instructions.sampling is not read by this recipe: write selfInstruct.sampling or "
        "alpaca.sampling",
        "instructions.sampling",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "self.selection.method == 'SelfAssessment' "
        "|| self.selection.method == 'Auto' && self.recipe == 'ISheep' "
        "|| has(self.selection.random) && has(self.selection.random.sizeOf) "
        "&& self.selection.random.sizeOf == 'SelfAssessment' "
        "|| self.selection.threshold == 8",
        "selection.threshold is for method SelfAssessment, or Random of its size, only (Auto is "
        "SelfAssessment with recipe ISheep alone)",
        "selection.threshold",
    ),
    Rule(
        SelfInstruct,
        "self.machineExamples <= self.examplesPerPrompt",
        "machineExamples must not be above examplesPerPrompt: they are among them",
        "machineExamples",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "self.recipe == 'Dromedary' || !has(self.dromedary)",
        "dromedary is for recipe Dromedary only",
        "dromedary",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "self.recipe != 'Dromedary' || self.iterations <= 2",
        "iterations must be 1 (the engraved model) or 2 (its verbose clone) with recipe Dromedary",
        "iterations",
    ),
    Rule(
        SelfAlignmentRunSpec,
        "!has(self.dromedary) || !has(self.dromedary.verbose) "
        "|| self.selection.minSamples <= self.dromedary.verbose",
        "selection.minSamples must not be above dromedary.verbose: iteration 2 could not keep so "
        "many",
        "selection.minSamples",
    ),
    Rule(
        Storage,
        "has(self.s3) != has(self.folder)",
        "set exactly one of s3 and folder",
    ),
    Rule(
        Model,
        "!has(self.revision) || self.storageUri.matches('^hf://')",
        "revision is for hf:// models only: anything else is pinned by its files' digests",
        "revision",
    ),
    Rule(
        SeedTasks,
        "has(self.builtin) ? !has(self.storageUri) && !has(self.configMapRef) "
        ": has(self.storageUri) != has(self.configMapRef)",
        "set exactly one of builtin, storageUri and configMapRef",
    ),
    Rule(
        Assessment,
        "self.scoring != 'Expected' || self.decoding == 'Free' || has(self.compare)",
        "decoding must be Free where scoring is Expected and nothing is compared: nothing is "
        "generated that could be constrained",
        "decoding",
    ),
    Rule(
        Assessment,
        "self.exampleOrder == 'Fixed' || self.rubric == 'InContext'",
        "exampleOrder Shuffled needs rubric InContext: the others show no examples",
        "exampleOrder",
    ),
    Rule(
        RandomSelection,
        "has(self.size) != has(self.sizeOf)",
        "set exactly one of size and sizeOf",
    ),
    Rule(
        Selection,
        "self.method != 'Random' || has(self.random)",
        "method Random needs random.size or random.sizeOf",
        "random",
    ),
    Rule(
        Selection,
        "self.method == 'Random' || !has(self.random)",
        "random is for method Random only",
        "random",
    ),
    Rule(
        Selection,
        "!has(self.perplexity) || self.method == 'Perplexity' || has(self.random) "
        "&& has(self.random.sizeOf) && self.random.sizeOf == 'Perplexity'",
        "perplexity is for method Perplexity, or Random of its size, only",
        "perplexity",
    ),
    Rule(
        Selection,
        "!has(self.density) || self.method in ['Density', 'DensityPerplexity'] "
        "|| has(self.random) && has(self.random.sizeOf) "
        "&& self.random.sizeOf in ['Density', 'DensityPerplexity']",
        "density is for methods Density and DensityPerplexity, or Random of the size of one of "
        "them, only",
        "density",
    ),
    Rule(
        Selection,
        "!has(self.random) || !has(self.random.size) || self.minSamples <= self.random.size",
        "minSamples must not be above random.size: no iteration could keep so many",
        "minSamples",
    ),
    Rule(
        Selection,
        "!has(self.density) || self.minSamples <= self.density.clusters",
        "minSamples must not be above density.clusters: no iteration could keep so many",
        "minSamples",
    ),
    Rule(
        Training,
        "self.startFrom != 'Previous' || self.handover == 'Merged'",
        "handover must be Merged where startFrom is Previous: a new adapter is trained on the "
        "merged weights of M(t-1)",
        "handover",
    ),
    # Bounds above 0 are rules, not minima: API servers compare a whole number with a minimum
    # as whole numbers, and 0 is not below 0.01 then.
    Rule(Sampling, "self.topP > 0.0", "topP must be above 0", "topP"),
    Rule(Training, "self.learningRate > 0.0", "learningRate must be above 0", "learningRate"),
    Rule(
        VllmOptions,
        "!has(self.gpuMemoryUtilization) || self.gpuMemoryUtilization > 0.0",
        "gpuMemoryUtilization must be above 0",
        "gpuMemoryUtilization",
    ),
    Rule(
        EnvVar,
        "has(self.value) != has(self.valueFrom)",
        "set exactly one of value and valueFrom",
    ),
    Rule(
        EnvVar,
        "!self.name.matches('^ISHEEP_')",
        "names that begin with ISHEEP_ are the operator's own",
        "name",
    ),
    Rule(
        EnvSource,
        "has(self.secretKeyRef) != has(self.configMapKeyRef)",
        "set exactly one of secretKeyRef and configMapKeyRef",
    ),
    Rule(
        Toleration,
        "has(self.key) || has(self.operator) && self.operator == 'Exists'",
        "a toleration without key needs operator Exists",
        "operator",
    ),
    Rule(
        Toleration,
        "!has(self.value) || !has(self.operator) || self.operator != 'Exists'",
        "a toleration with operator Exists has no value",
        "value",
    ),
    Rule(
        Toleration,
        "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
        "tolerationSeconds is for effect NoExecute only",
        "tolerationSeconds",
    ),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold; `path` leads to the field to look at."""

    path: tuple[str | int, ...]
    message: str


def rules_of(model: type[BaseModel]) -> tuple[Rule, ...]:
    """Return the rules that hold for a model's objects, those of its bases included."""
    return tuple(rule for rule in RULES if issubclass(model, rule.model))


def violations(run: BaseModel, old: BaseModel | None = None) -> list[Violation]:
    """Return what the rules refuse in a run, or in any object of the spec.

    Transition rules are evaluated where `old`, what the object was, is given. Like an
    API server this does so for single objects only, not for items of lists.
    """
    return list(_walk(run, old, ()))


def _walk(value: object, old: object, path: tuple[str | int, ...]) -> Iterator[Violation]:
    if isinstance(value, BaseModel):
        yield from _broken(value, old if isinstance(old, BaseModel) else None, path)
        for name, field in type(value).model_fields.items():
            yield from _walk(
                getattr(value, name), getattr(old, name, None), (*path, str(field.alias))
            )
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(item, None, (*path, index))


def _broken(
    value: BaseModel, old: BaseModel | None, path: tuple[str | int, ...]
) -> Iterator[Violation]:
    rules = [r for r in rules_of(type(value)) if old is not None or not r.is_transition]
    if not rules:
        return
    data = {"self": _document(value), "oldSelf": {} if old is None else _document(old)}
    for rule in rules:
        if _program(rule.expression).eval(data=data).value() is not True:
            yield Violation((*path, *(rule.field.split(".") if rule.field else ())), rule.message)


def _document(value: BaseModel) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


@cache
def _program(expression: str) -> cel.Expression:
    return _environment().compile(expression)


@cache
def _environment() -> cel.Env:
    return cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})
