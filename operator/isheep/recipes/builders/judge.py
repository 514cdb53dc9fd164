"""The judge of a run, as the stages see it: a model that the run's engine loads, or an endpoint.

A key names an endpoint by its model and by the revision that the user states, because an endpoint
has no digest. The URL is in no key, so an endpoint can move.
"""

from __future__ import annotations

from dataclasses import dataclass

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes import settings as s
from isheep.recipes.builders.context import RunContext
from isheep.recipes.interface import JUDGE_MODEL


@dataclass(frozen=True, slots=True)
class StageModel:
    """The model of a stage: `settings` for one that is loaded, or `endpoint` for one that is not.

    `source` is what `Stage.model` says about it.
    """

    source: str | None
    settings: s.ModelSettings | None = None
    endpoint: s.EndpointSettings | None = None

    @property
    def stage(self) -> str:
        """The id of the stage that trained the model; "" if it is M(0) or a judge."""
        return "" if self.source in (None, JUDGE_MODEL) else str(self.source)


def judge_of(run: RunContext) -> StageModel:
    """Return the judge of a run; raises `ValueError` if the run has none."""
    judge, prepared = run.spec.judge, run.prepared.judge
    if judge is not None and judge.endpoint is not None:
        endpoint = judge.endpoint
        settings = s.EndpointSettings(model=endpoint.model, revision=endpoint.revision)
        return StageModel(None, endpoint=settings)
    if prepared is None:
        raise ValueError("the run has no judge, or prepare has not found its model")
    return StageModel(
        JUDGE_MODEL,
        s.ModelSettings(
            base_model=prepared.digest,
            engine=run.prepared.engine,
            dtype=prepared.dtype,
            max_model_length=prepared.max_model_length,
            chat_format=prepared.chat_format,
            of="Judge",
        ),
    )


def scores_by_judge(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the judge scores the pairs of a run."""
    return spec.assessment.assessor == "Judge"


def judges_answers(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the judge compares answers of the models of a run."""
    return spec.evaluation is not None and bool(spec.evaluation.judgements)
