"""The best model of a run, for its status.

A verdict chooses the best model by a metric of a benchmark. Without such a metric, or if it cannot
choose, the best model is the last one, and the note says why.
"""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import BestRecord
from isheep.contract.choices import BEST_REASONS, BestReason
from isheep.contract.reasons import Reason
from isheep.planner.walk import Walk
from isheep.recipes.interface import Statistics, has_failed
from isheep.recipes.stage_kinds import StageKind


def best_record(spec: SelfAlignmentRunSpec, walked: Walk, artifacts: str) -> BestRecord | None:
    """Return the best model so far; None before the first model exists.

    Args:
        spec: The resolved spec.
        walked: The walk over the committed stages.
        artifacts: The URI of the folder that contains the stages' files.
    """
    last = _last_model(walked)
    if last is None:
        return None
    metric = None if spec.best is None else spec.best.metric
    verdict = _newest_verdict(walked)
    reason = _reason(verdict)
    if verdict is None or reason is None or reason == "TooFewItems":
        note = _why_last(metric, reason)
        uri = model_uri(walked, artifacts, last)
        return BestRecord(iteration=last, metric=metric, model_uri=uri, note=note)
    t = int(verdict["best"])
    source = "figure of the Test items" if _has_test_items(spec, metric) else "chosen on this data"
    improved = "no model is significantly better than M(0)"
    return BestRecord(
        iteration=t,
        metric=metric,
        value=verdict.get("bestValue"),
        model_uri=model_uri(walked, artifacts, t) if t else spec.model.storage_uri,
        note=source if reason == "Improved" else f"{Reason.NO_IMPROVEMENT}: {improved}; {source}",
    )


def improves_nothing(walked: Walk) -> bool:
    """Return whether a metric shows that no model is significantly better than M(0)."""
    return _reason(_newest_verdict(walked)) == "BaseIsBest"


def model_uri(walked: Walk, artifacts: str, t: int) -> str | None:
    """Return the location of M(t): merged weights if the run merges, else the adapter."""
    key = walked.keys.get(f"i{t}/{_maker(walked)}")
    return None if key is None else f"{artifacts}/{key}/files"


def last_model_uri(walked: Walk, artifacts: str) -> str | None:
    """Return the location of the newest M(t), or None before the first one."""
    last = _last_model(walked)
    return None if last is None else model_uri(walked, artifacts, last)


def _maker(walked: Walk) -> StageKind:
    kinds = {stage.kind for stage in walked.stages}
    return StageKind.MERGE if StageKind.MERGE in kinds else StageKind.TRAIN


def _last_model(walked: Walk) -> int | None:
    maker = _maker(walked)
    made = [s.iteration for s in walked.stages if s.kind is maker and s.id in walked.results]
    return made[-1] if made else None


def _newest_verdict(walked: Walk) -> Statistics | None:
    verdicts = [s.id for s in walked.stages if s.kind is StageKind.VERDICT]
    results = [walked.results[id_] for id_ in verdicts if id_ in walked.results]
    found = [result for result in results if not has_failed(result)]
    return found[-1] if found else None


def _reason(verdict: Statistics | None) -> BestReason | None:
    """Return the reason in a verdict; None if no metric was measured, or for a newer reason."""
    place = -1 if verdict is None or "best" not in verdict else int(verdict.get("bestReason", -1))
    return BEST_REASONS[place] if 0 <= place < len(BEST_REASONS) else None


def _why_last(metric: str | None, reason: BestReason | None) -> str:
    if metric is None:
        return "the last model, because best.metric is not set"
    if reason == "TooFewItems":
        return f"the last model, because {metric} has too few items"
    return f"the last model, because {metric} is not measured yet"


def _has_test_items(spec: SelfAlignmentRunSpec, metric: str | None) -> bool:
    name = (metric or "").partition("/")[0]
    benchmarks = () if spec.evaluation is None else spec.evaluation.benchmarks
    return any(one.name == name and one.share is not None for one in benchmarks)
