"""Warnings of `isheep validate` and `isheep run`: settings that are valid and have no effect.

Such a setting is no error, because the run does what the spec says. But its author expects
something else. Each warning is a pure function over the typed spec, in one table. A setting that
has a default is reported only if the file contains it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from isheep.api.reading.yaml_reader import FieldPath
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.gpu_resources import gpu_count

_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv
cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr
ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw
ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv
ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr
ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi
yo za zh zu
"""
_LANGUAGES = frozenset(_CODES.split())
"""The codes of ISO 639-1. The codes with three letters are too many to list."""
_LONG_ENGLISH = "eng"


@dataclass(frozen=True, slots=True)
class SpecWarning:
    """A setting without the effect that its author expects: its field, and a sentence."""

    path: FieldPath
    message: str


Check = Callable[[SelfAlignmentRunSpec], Iterator[SpecWarning]]


def warnings(spec: SelfAlignmentRunSpec) -> list[SpecWarning]:
    """Return all warnings about a spec that a user wrote, in the order of the table."""
    return [warning for check in CHECKS for warning in check(spec)]


def _vllm_options(spec: SelfAlignmentRunSpec) -> Iterator[SpecWarning]:
    if spec.engine.type == "VLLM":
        return
    # prepare reads maxModelLength for every engine.
    for name in _given(spec.engine.vllm) - {"max_model_length"}:
        yield SpecWarning(
            ("spec", "engine", "vllm", _alias(spec.engine.vllm, name)),
            f"only vLLM reads this setting, and engine.type is {spec.engine.type}: remove it, or "
            "set engine.type to VLLM",
        )


def _validation_settings(spec: SelfAlignmentRunSpec) -> Iterator[SpecWarning]:
    training = spec.training
    if training.validation_share > 0:
        return
    given = _given(training)
    if "checkpoint" in given and training.checkpoint == "LowestValidationLoss":
        yield SpecWarning(
            ("spec", "training", "checkpoint"),
            "no pair is held out, because training.validationShare is 0, so M(t) is the adapter of "
            "the last step: raise validationShare, or set checkpoint to Last",
        )
    if "evaluation_steps" in given:
        yield SpecWarning(
            ("spec", "training", "evaluationSteps"),
            "no validation loss is measured, because training.validationShare is 0: remove this "
            "setting, or raise validationShare",
        )


def _language(spec: SelfAlignmentRunSpec) -> Iterator[SpecWarning]:
    if spec.language == _LONG_ENGLISH:
        text = "the rules for English apply to en only: write en"
    elif len(spec.language) == 2 and spec.language not in _LANGUAGES:
        text = f"ISO 639 has no language {spec.language}, so no rule for a language applies"
    else:
        return
    yield SpecWarning(("spec", "language"), text)


def _batch_size(spec: SelfAlignmentRunSpec) -> Iterator[SpecWarning]:
    size, path = spec.training.effective_batch_size, ("spec", "training", "effectiveBatchSize")
    resources = spec.compute.training.resources
    pod = gpu_count(resources.limits) or gpu_count(resources.requests)
    if pod:
        gpus = pod * spec.training.num_nodes
        if size % gpus:
            yield SpecWarning(
                path,
                f"{size} pairs cannot be divided equally among the {gpus} GPUs of the training, so "
                f"some GPUs wait in each step: use a multiple of {gpus}",
            )
    elif "effective_batch_size" in _given(spec.training) and size > 1 and size % 2:
        yield SpecWarning(
            path,
            f"{size} pairs cannot be divided equally among 2, 4 or 8 GPUs, so some GPUs wait in "
            "each step: use an even number, unless one GPU trains",
        )


def _one_iteration(spec: SelfAlignmentRunSpec) -> Iterator[SpecWarning]:
    if spec.iterations > 1:
        return
    training = spec.training
    for name, value, usual in (
        ("start_from", training.start_from, "Previous"),
        ("data", training.data, "All"),
    ):
        if name in _given(training) and value == usual:
            yield SpecWarning(
                ("spec", "training", _alias(training, name)),
                f"{value} differs from the default in iteration 2 and later only, and iterations "
                "is 1: remove it, or raise iterations",
            )


def _judge(spec: SelfAlignmentRunSpec) -> Iterator[SpecWarning]:
    if spec.judge is None:
        return
    judgements = spec.evaluation is not None and spec.evaluation.judgements
    if spec.assessment.assessor != "Judge" and not judgements:
        yield SpecWarning(
            ("spec", "judge"),
            "nothing asks the judge: set assessment.assessor to Judge, or remove judge",
        )
    if spec.judge.endpoint is not None:
        form, name = "endpoint", spec.judge.endpoint.model
    else:
        form, name = "model", spec.judge.model.storage_uri if spec.judge.model else ""
    own = _organisation(spec.model.storage_uri)
    if own and own == _organisation(name):
        yield SpecWarning(
            ("spec", "judge", form),
            f"{own} also made M(0), and a judge can prefer the text of its own family: use a judge "
            "of another family if you can",
        )


def _organisation(model: str) -> str:
    """Return the organisation in the name of a model of a hub; "" for other places."""
    scheme, separator, rest = model.rpartition("://")
    if separator and scheme != "hf":
        return ""
    organisation, separator, _ = rest.partition("/")
    return organisation.lower() if separator else ""


def _memorization(spec: SelfAlignmentRunSpec) -> Iterator[SpecWarning]:
    evaluation = spec.evaluation
    if evaluation is None or evaluation.memorization is None or evaluation.benchmarks:
        return
    yield SpecWarning(
        ("spec", "evaluation", "memorization"),
        "M(0) completes items of benchmarks, and the run has none: remove it, or set "
        "evaluation.benchmarks",
    )


CHECKS: tuple[Check, ...] = (
    _vllm_options,
    _validation_settings,
    _language,
    _batch_size,
    _one_iteration,
    _judge,
    _memorization,
)


def _given(model: BaseModel) -> set[str]:
    """Return the fields that the file contains."""
    return model.model_fields_set


def _alias(model: BaseModel, name: str) -> str:
    return type(model).model_fields[name].alias or name
