"""The statistics of the stages in the simulation, as functions of their orders."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.order import Step


def statistics_of(
    step: Step, store: Mapping[str, Mapping[str, float]], yield_per_completion: float
) -> dict[str, float]:
    """Return the statistics of a stage.

    Args:
        step: The stage in an order; the statistics depend on its settings and inputs only.
        store: The statistics of the committed stages by key.
        yield_per_completion: The number of new instructions for each completion.
    """

    def of(role: str, name: str) -> float:
        return sum(store[key][name] for key in step.inputs.get(role, ()))

    settings = step.settings
    if step.kind == "generate":
        return {"completions": settings["completions"], "tokens": 100.0}
    if step.kind in {"curate", "topics"}:
        new = int(of("completions", "completions") * yield_per_completion)
        accepted = min(settings["count"], of("accepted", "accepted") + new)
        return {"new": float(new), "accepted": accepted, "drop:rouge-l": 3.0, "drop:short": 1.0}
    if step.kind in {"respond", "instantiate"}:
        return {"pairs": of("instructions", "accepted")}
    if step.kind == "assess":
        return {"pairs": of("pairs", "pairs"), "score:Quality:9": 5.0}
    if step.kind == "select":
        pairs = of("pairs", "pairs")
        kept = pairs * (10 - settings.get("threshold", 0)) // 10
        return {"pairs": pairs, "kept": kept, "meanScore": 8.123456, "drop:low": pairs - kept}
    if step.kind == "train":
        losses = {"trainLoss": 1.25, "evalLoss": 1.5, "validationSamples": 7}
        return {"samples": of("data", "kept"), **losses}
    if step.kind == "evaluate":
        return {"items": float(step.items or 0), "measured": float(step.items or 0)}
    if step.kind in {"score", "judge"}:
        return {"items": 130.0}
    if step.kind == "verdict":
        found = {"items": 60.0, "difference": -0.123456, "lower": -0.2, "upper": -0.05}
        if settings.get("benchmarks"):
            found |= {"benchmarkItems": 130.0, "benchmarkDifference": 0.125}
        if settings.get("judged"):
            found |= {"judgementItems": 128.0, "judgementRate": 0.625}
        if settings.get("graded"):
            found |= {"gradeItems": 80.0, "gradeMean": 5.5, "gradeDifference": -0.5}
            found |= {"secondItems": 64.0, "secondMean": 3.5, "secondDifference": -4.0}
            found |= {"secondLower": -4.5, "secondUpper": -3.5}
        return found
    return {}
