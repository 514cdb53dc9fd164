"""assess, controls and anchors: the assessor scores pairs (§3.2).

assess scores the pairs of its iteration, controls some damaged responses of these pairs, and
anchors some pairs of the first iteration again.
"""

from __future__ import annotations

from dataclasses import replace

from isheep.api.assessment import Assessment
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import CONTROL_KINDS, EXPLANATIONS, PromptFormat
from isheep.recipes import settings as s
from isheep.recipes.builders.context import (
    RunContext,
    kept_if_cut,
    kept_thoughts,
    sampling,
    with_model,
)
from isheep.recipes.builders.judge import StageModel, judge_of, scores_by_judge
from isheep.recipes.interface import Stage
from isheep.recipes.selection_methods import needs_scores
from isheep.recipes.stage_kinds import StageKind


def assess(run: RunContext, t: int, pairs: str, items: int) -> Stage:
    """Return the stage that scores pairs, part by part.

    `pairs` is the id of the stage whose output are the pairs, and `items` is its number of items.
    One item can have several pairs, or none.
    """
    spec = run.spec.assessment
    expected = needs_expected_scores(run.spec)
    sampled = spec.scoring == "Sampled" or spec.compare is not None
    explained = sampled and spec.explanations != EXPLANATIONS
    model = _assessor(run, t)
    prompt_format = assessor_format(run, t)
    return Stage(
        f"i{t}/assess",
        StageKind.ASSESS,
        t,
        s.AssessSettings(
            model=model.settings,
            endpoint=model.endpoint,
            random_seed=run.spec.random_seed,
            levels=tuple(spec.levels),
            rubric=spec.rubric,
            scoring=spec.scoring,
            decoding=spec.decoding,
            prompt_format=prompt_format,
            sampling=sampling(spec.sampling),
            language=run.spec.language,
            rules=run.spec.curation.rules,
            cut=kept_if_cut(run.spec),
            thinking=kept_thoughts(run.spec),
            templates=run.prepared.templates_digest,
            labels=_labels(run, prompt_format) if expected else None,
            score_templates=run.prepared.score_templates_digest if expected else None,
            example_order="Shuffled" if spec.example_order == "Shuffled" else None,
            compare=spec.compare,
            parsing="Strict" if sampled and spec.parsing == "Strict" else None,
            explanations=spec.explanations if explained else None,
        ),
        inputs=with_model(model.stage, pairs=(pairs,)),
        items=items,
        model=model.source,
    )


def controls(run: RunContext, t: int, pairs: str, count: int) -> Stage:
    """Return the stage that scores damaged responses as assess scores the pairs.

    `pairs` is the id of the stage whose output are the pairs; `count` of them are damaged. The
    settings are those of assess, so the scores can be compared.
    """
    scored = assess(run, t, pairs, count)
    settings = scored.settings.model_dump(exclude={"compare", "explanations"})
    return replace(
        scored,
        id=f"i{t}/controls",
        kind=StageKind.CONTROLS,
        settings=s.ControlSettings(**settings, explanations=0, kinds=CONTROL_KINDS),
        inputs={**scored.inputs, "scores": (scored.id,)},
    )


def anchors(run: RunContext, t: int, pairs: str, scores: str, count: int) -> Stage:
    """Return the stage in which the assessor of iteration t scores earlier pairs again.

    `pairs` is the id of the stage whose output are the pairs, and `scores` that of the assess stage
    that has scored them; `count` of them are scored again. The settings are those of the assess
    stage of iteration t, so only the assessor differs.
    """
    scored = assess(run, t, pairs, count)
    settings = scored.settings.model_dump(exclude={"compare", "explanations"})
    return replace(
        scored,
        id=f"i{t}/anchors",
        kind=StageKind.ANCHORS,
        settings=s.AnchorSettings(**settings, explanations=0),
        inputs={**scored.inputs, "scores": (scores,)},
    )


def assessor_can_change(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether another model can score in a later iteration, under the same name or not."""
    if scores_by_judge(spec):
        return spec.judge is not None and spec.judge.endpoint is not None
    return spec.assessment.assessor == "Previous"


def needs_expected_scores(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether any score of the run is an expectation, which needs labels from prepare."""
    expected = spec.assessment.scoring == "Expected" or spec.assessment.compare is not None
    return expected and needs_scores(spec)


def assessor_formats(spec: SelfAlignmentRunSpec) -> tuple[PromptFormat, ...]:
    """Return the formats of the assessor's prompts over all iterations, each format once."""
    formats = (_assessor_format(spec.assessment, writer) for writer in range(spec.iterations))
    return tuple(dict.fromkeys(formats))


def assessor_format(run: RunContext, t: int) -> PromptFormat:
    """Return the format of the assessor's prompts in an iteration."""
    return _assessor_format(run.spec.assessment, run.writer_of(t))


def _assessor(run: RunContext, t: int) -> StageModel:
    """Return the model that scores the pairs of an iteration."""
    if scores_by_judge(run.spec):
        return judge_of(run)
    model = run.writing_model(t) if run.spec.assessment.assessor == "Previous" else ""
    return StageModel(model, run.model_settings(model))


def _assessor_format(spec: Assessment, writer: int) -> PromptFormat:
    if spec.prompt_format == "Auto":
        base = spec.assessor == "Base" or (spec.assessor == "Previous" and writer == 0)
        return "Raw" if base else "Chat"
    return "Raw" if spec.prompt_format == "Raw" else "Chat"


def _labels(run: RunContext, prompt_format: PromptFormat) -> s.ScoreLabels | None:
    labels = (run.prepared.score_labels or {}).get(prompt_format)
    if labels is None:
        return None
    return s.ScoreLabels(kind=labels.kind, token_ids=labels.token_ids)
