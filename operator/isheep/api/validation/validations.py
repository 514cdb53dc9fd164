"""The validation rules that field types cannot express, each written once, in CEL.

The rules go into the CRD, where an API server checks them, and are evaluated here, so that `isheep
validate` refuses the runs that a cluster would reject. A rule belongs to a model and applies to
every object of that model in the spec. Transition rules (with `oldSelf`) compare an object with its
previous state; API servers check them when a run is updated.

The rules use only the part of CEL in which all implementations agree: has, size, in, matches, all,
exists, startsWith, comparisons within one type, and oldSelf. They use `has` for optional fields
only, because a field with a default is always set. Google's own implementation evaluates them here:
it starts in a tenth of the time of the pure Python one, and matches expressions with RE2, as API
servers do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from cel_expr_python import cel
from pydantic import BaseModel

from isheep.api.affinity import LabelSelector
from isheep.api.assessment import Assessment
from isheep.api.base import KEY_CHARACTERS
from isheep.api.compute import Compute, EnvSource, EnvVar, Pool, Resources, Toleration
from isheep.api.engine import VllmOptions
from isheep.api.evaluation import EvaluatedBenchmark, Evaluation, Judgement
from isheep.api.instructions import SeedTasks
from isheep.api.judge import Judge
from isheep.api.model import Model
from isheep.api.recipe_registry import RECIPE_DEFINITIONS
from isheep.api.run import SelfAlignmentRun, SelfAlignmentRunSpec
from isheep.api.sampling import Sampling
from isheep.api.selection import RandomSelection, Selection
from isheep.api.storage import Storage
from isheep.api.training import Training
from isheep.api.validation.decision_validations import DECISION_RULES
from isheep.api.validation.judge_validations import JUDGE_RULES
from isheep.api.validation.judgement_validations import (
    EVALUATION_RULES,
    JUDGEMENT_RULES,
    RULES_OF_A_JUDGEMENT,
)
from isheep.api.validation.memorization_validations import MEMORIZATION_RULES
from isheep.api.validation.recipe_validations import recipe_rules
from isheep.api.validation_rule import ValidationRule
from isheep.contract.choices import ClusteringMethod

CLUSTERING = list(get_args(ClusteringMethod))
"""The methods as a list, whose text in Python is also its text in CEL."""


def _short_keys(field: str) -> ValidationRule:
    """Return the rule that bounds the keys of a map, which a structural schema cannot do.

    API servers check it for the default of a pool too, from which empty maps are left out.
    """
    return ValidationRule(
        f"!has(self.{field}) "
        f"|| self.{field}.all(key, key.matches('^[-A-Za-z0-9_./]{{1,{KEY_CHARACTERS}}}$'))",
        f"a key of {field} has more than {KEY_CHARACTERS} characters, or other characters than "
        "letters, digits, dashes, dots, slashes and underscores: use another key",
        field,
    )


_RULES: Mapping[type[BaseModel], tuple[ValidationRule, ...]] = {
    SelfAlignmentRun: (
        ValidationRule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
            "metadata.name must start with a letter, end with a letter or digit, contain only "
            "lower-case letters, digits and dashes, and have at most 40 characters, because names "
            "of Jobs contain it: rename the run",
            "metadata.name",
        ),
    ),
    SelfAlignmentRunSpec: (
        ValidationRule(
            "self.recipe == oldSelf.recipe",
            "recipe cannot be changed: create another run",
            "recipe",
        ),
        ValidationRule(
            "has(self.storage) == has(oldSelf.storage) "
            "&& (!has(self.storage) || self.storage == oldSelf.storage)",
            "storage cannot be set, changed or removed, because the run would lose what it has "
            "committed: create another run",
            "storage",
        ),
        ValidationRule(
            "has(self.managedBy) == has(oldSelf.managedBy) "
            "&& (!has(self.managedBy) || self.managedBy == oldSelf.managedBy)",
            "managedBy cannot be set, changed or removed, because two controllers would execute "
            "the run: create another run",
            "managedBy",
        ),
        ValidationRule(
            "self.compute.jobs != 'Run' || self.training.numNodes == 1",
            "compute.jobs Run trains in one pod: set training.numNodes to 1, or compute.jobs to "
            "PerPool",
            "training.numNodes",
        ),
        ValidationRule(
            "self.selection.minSamples <= self.instructions.count",
            "selection.minSamples is above instructions.count, so no iteration can keep enough "
            "pairs: lower it, or raise instructions.count",
            "selection.minSamples",
        ),
        ValidationRule(
            "!has(self.selection.random) || !has(self.selection.random.size) "
            "|| self.selection.random.size <= self.instructions.count",
            "selection.random.size is above instructions.count, so there are not enough pairs: "
            "lower it, or raise instructions.count",
            "selection.random.size",
        ),
        *DECISION_RULES,
        *JUDGE_RULES,
        *JUDGEMENT_RULES,
    ),
    Compute: (
        ValidationRule(
            "self.jobs != 'Run' || self.inference.parallelism == 1",
            "compute.jobs Run executes all stages in one pod, which uses all of its GPUs: set "
            "inference.parallelism to 1, or compute.jobs to PerPool",
            "inference.parallelism",
        ),
    ),
    Storage: (
        ValidationRule(
            "has(self.s3) != has(self.folder)",
            "set exactly one of s3 and folder",
        ),
    ),
    Model: (
        ValidationRule(
            "!has(self.revision) || self.storageUri.matches('^hf://')",
            "only hf:// models have a revision, because digests pin the files of other models: "
            "remove it",
            "revision",
        ),
    ),
    Resources: tuple(_short_keys(name) for name in ("requests", "limits")),
    Pool: tuple(_short_keys(name) for name in ("nodeSelector", "podLabels", "podAnnotations")),
    LabelSelector: (_short_keys("matchLabels"),),
    Judge: (
        ValidationRule(
            "has(self.model) != has(self.endpoint)",
            "set exactly one of model and endpoint",
        ),
    ),
    SeedTasks: (
        ValidationRule(
            "has(self.builtin) ? !has(self.storageUri) && !has(self.configMapRef) "
            ": has(self.storageUri) != has(self.configMapRef)",
            "set exactly one of builtin, storageUri and configMapRef",
        ),
    ),
    EvaluatedBenchmark: (
        ValidationRule(
            "!has(self.share) || self.role == 'Test'",
            "share divides the items into both roles, so role has no effect: remove role",
            "role",
        ),
    ),
    Evaluation: (*EVALUATION_RULES, *MEMORIZATION_RULES),
    Judgement: RULES_OF_A_JUDGEMENT,
    Assessment: (
        ValidationRule(
            "!has(self.anchors) || self.assessor != 'Base'",
            "anchors show a change of the assessor, and with assessor Base M(0) scores in each "
            "iteration: remove anchors, or set assessor to Previous",
            "anchors",
        ),
        ValidationRule(
            "self.scoring != 'Expected' || self.decoding == 'Free' || has(self.compare)",
            "decoding Constrained needs a generated assessment, but scoring Expected generates "
            "none: set decoding to Free, or set compare",
            "decoding",
        ),
        ValidationRule(
            "self.exampleOrder == 'Fixed' || self.rubric == 'InContext'",
            "exampleOrder Shuffled needs rubric InContext, because the other rubrics have no "
            "examples: set exampleOrder to Fixed, or rubric to InContext",
            "exampleOrder",
        ),
    ),
    RandomSelection: (
        ValidationRule(
            "has(self.size) != has(self.sizeOf)",
            "set exactly one of size and sizeOf",
        ),
    ),
    Selection: (
        ValidationRule(
            "self.method != 'Random' || has(self.random)",
            "method Random needs a number of pairs: set random.size or random.sizeOf",
            "random",
        ),
        ValidationRule(
            "self.method == 'Random' || !has(self.random)",
            "only method Random reads random: remove it, or set method to Random",
            "random",
        ),
        ValidationRule(
            "!has(self.perplexity) || self.method == 'Perplexity' || has(self.random) "
            "&& has(self.random.sizeOf) && self.random.sizeOf == 'Perplexity'",
            "only method Perplexity, and Random with random.sizeOf Perplexity, read perplexity: "
            "remove it, or set method to Perplexity",
            "perplexity",
        ),
        ValidationRule(
            f"!has(self.density) || self.method in {CLUSTERING} "
            f"|| has(self.random) && has(self.random.sizeOf) && self.random.sizeOf in {CLUSTERING}",
            f"only methods {' and '.join(CLUSTERING)}, and Random with one of them as "
            "random.sizeOf, read density: remove it, or set method to one of them",
            "density",
        ),
        ValidationRule(
            "!has(self.random) || !has(self.random.size) || self.minSamples <= self.random.size",
            "minSamples is above random.size, so no iteration can keep enough pairs: lower it, or "
            "raise random.size",
            "minSamples",
        ),
        ValidationRule(
            "!has(self.density) || self.minSamples <= self.density.clusters",
            "minSamples is above density.clusters, so no iteration can keep enough pairs: lower "
            "it, or raise density.clusters",
            "minSamples",
        ),
    ),
    Training: (
        ValidationRule(
            "self.startFrom != 'Previous' || self.handover == 'Merged'",
            "startFrom Previous needs handover Merged, because a new adapter is trained on the "
            "merged weights of M(t-1): set handover to Merged, or startFrom to Base",
            "handover",
        ),
        # Bounds above 0 are rules and not minima. An API server compares an integer with a minimum
        # as integers, and then 0 is not below 0.01.
        ValidationRule(
            "self.learningRate > 0.0",
            "learningRate is 0: set a value above 0",
            "learningRate",
        ),
    ),
    Sampling: (ValidationRule("self.topP > 0.0", "topP is 0: set a value above 0", "topP"),),
    VllmOptions: (
        ValidationRule(
            "!has(self.gpuMemoryUtilization) || self.gpuMemoryUtilization > 0.0",
            "gpuMemoryUtilization is 0: set a value above 0",
            "gpuMemoryUtilization",
        ),
    ),
    EnvVar: (
        ValidationRule(
            "has(self.value) != has(self.valueFrom)",
            "set exactly one of value and valueFrom",
        ),
        ValidationRule(
            "!self.name.matches('^ISHEEP_')",
            "the prefix ISHEEP_ is reserved for the operator: use another name",
            "name",
        ),
    ),
    EnvSource: (
        ValidationRule(
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "set exactly one of secretKeyRef and configMapKeyRef",
        ),
    ),
    Toleration: (
        ValidationRule(
            "has(self.key) || has(self.operator) && self.operator == 'Exists'",
            "a toleration without key needs operator Exists: set key, or operator to Exists",
            "operator",
        ),
        ValidationRule(
            "!has(self.value) || !has(self.operator) || self.operator != 'Exists'",
            "a toleration with operator Exists has no value: remove value",
            "value",
        ),
        ValidationRule(
            "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
            "tolerationSeconds needs effect NoExecute: set effect to NoExecute, or remove "
            "tolerationSeconds",
            "tolerationSeconds",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken validation rule; `path` is the path of the field to correct."""

    path: tuple[str | int, ...]
    message: str


def all_rules() -> dict[type[BaseModel], tuple[ValidationRule, ...]]:
    """Return all validation rules by model, those of the recipes included."""
    rules = dict(_RULES)
    rules[SelfAlignmentRunSpec] += recipe_rules()
    for recipe in RECIPE_DEFINITIONS.values():
        if recipe.settings is not None and recipe.settings_rules:
            rules[recipe.settings] = recipe.settings_rules
    return rules


def rules_of(model: type[BaseModel]) -> tuple[ValidationRule, ...]:
    """Return the validation rules of a model, those of its base classes included."""
    rules = all_rules()
    return tuple(rule for base in reversed(model.__mro__) for rule in rules.get(base, ()))


def violations(run: BaseModel, old: BaseModel | None = None) -> list[Violation]:
    """Return the validation rules that a run breaks, in any object of its spec.

    Transition rules are evaluated if `old`, the previous state of the run, is given. As on an API
    server, they apply to single objects only, not to items of lists.
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
