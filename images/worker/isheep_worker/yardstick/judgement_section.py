"""The section `judgements` of a verdict: how often the judge prefers each M(t).

With two prompt formats, the answers of M(t) are compared with those of M(0) in each of them. The
format in which M(0) does better decides, as on benchmarks: a model that has only learned the format
is not better. The comparison of the best model belongs to the comparisons that are corrected
together (Holm).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isheep.contract.choices import PromptFormat
from isheep_worker.judging.length_control import LengthControlled
from isheep_worker.judging.win_rate import WinRate, win_rate
from isheep_worker.rows.schema import PreferenceRow
from isheep_worker.statistics.holm import holm
from isheep_worker.statistics.interface import CONFIDENCE

Decisive = Callable[[Mapping[str, Any], int], Mapping[str, Any] | None]
"""Returns the comparison of a section that decides about M(t), or None."""

_CONCLUSIONS = {
    "Higher": "better",
    "Lower": "worse",
    "NotSignificant": "no significant difference",
}


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """The judgements about the answers of M(t) to the questions of one judgement.

    `base_format` is the prompt format of M(0), None if the other answers are the user's.
    """

    name: str
    t: int
    base_format: PromptFormat | None
    rows: Sequence[PreferenceRow]


def judgement_section(found: Iterable[JudgedAnswers], seed: int) -> list[dict[str, Any]]:
    """Return one member for each judgement, in order, with its models by t, as JSON values.

    Args:
        found: The judgements about all models.
        seed: The seed of the resamples.
    """
    sections: dict[str, dict[str, Any]] = {}
    for one in found:
        empty: dict[str, Any] = {
            "name": one.name,
            "against": "Outputs" if one.base_format is None else "Base",
            "models": [],
            "best": None,
        }
        section = sections.setdefault(one.name, empty)
        section["models"].append(_model(one, win_rate(one.rows, seed)))
    return list(sections.values())


def decisive_model(section: Mapping[str, Any], t: int) -> Mapping[str, Any] | None:
    """Return the comparison of M(t) with the better M(0): that with the lowest win rate.

    The result is None if M(t) was not judged, or has no win rate in one of the comparisons.
    """
    models = [one for one in section["models"] if one["t"] == t]
    if not models or any(one["rate"] is None for one in models):
        return None
    found: Mapping[str, Any] = min(models, key=lambda one: one["rate"])
    return found


def best_p_values(
    sections: Iterable[Mapping[str, Any]], best: int, decisive: Decisive = decisive_model
) -> dict[str, float]:
    """Return the p-value of the best model's comparison with M(0), by judgement.

    `decisive` returns the comparison that decides about a model, or None.
    """
    found = {}
    for section in sections:
        model = decisive(section, best)
        if section["against"] == "Base" and model is not None and model["p"] is not None:
            found[section["name"]] = model["p"]
    return found


def conclude(
    sections: Iterable[dict[str, Any]],
    best: int,
    others: Iterable[float],
    decisive: Decisive = decisive_model,
) -> None:
    """Set `best` of each section: the corrected conclusion about M(`best`) against M(0).

    Args:
        sections: The sections of judgements of one kind.
        best: The t of the best model so far.
        others: The p-values of the best model's other comparisons that are corrected together.
        decisive: Returns the comparison that decides about a model, or None.
    """
    sections = list(sections)
    own = best_p_values(sections, best, decisive)
    family: dict[Hashable, float] = dict(own.items())
    family |= {("other", n): p for n, p in enumerate(others)}
    corrected = holm(family)
    for section in sections:
        model = decisive(section, best)
        if section["against"] == "Base" and model is not None:
            p = corrected.get(section["name"])
            section["best"] = {
                "t": best,
                "p": model["p"],
                "corrected_p": p,
                "conclusion": _conclusion(model, p),
            }


def _conclusion(model: Mapping[str, Any], p: float | None) -> str:
    if p is None or model["change"] == "TooFewItems":
        return str(model["verdict"])
    if p > 1 - CONFIDENCE:
        return _CONCLUSIONS["NotSignificant"]
    return _CONCLUSIONS[model["change"]]


def _model(one: JudgedAnswers, found: WinRate) -> dict[str, Any]:
    comparison = found.comparison
    interval = None if comparison is None else comparison.interval
    half = 0.0 if comparison is None else comparison.before
    return {
        "t": one.t,
        "base_format": one.base_format,
        "questions": found.questions,
        "unreadable": {"first": found.unreadable_first, "second": found.unreadable_second},
        "problem": found.problem,
        "counts": None if found.counts is None else asdict(found.counts),
        "items": 0 if comparison is None else comparison.items,
        "rate": None if comparison is None else comparison.after,
        "lower": None if interval is None else half + interval.low,
        "upper": None if interval is None else half + interval.high,
        "p": None if comparison is None else comparison.p,
        "change": None if comparison is None else comparison.change,
        "verdict": None if comparison is None else comparison.verdict,
        "length_controlled": _controlled(found.length_controlled),
    }


def _controlled(found: LengthControlled | None) -> dict[str, Any] | None:
    if found is None:
        return None
    interval = found.interval
    return {
        "rate": found.rate,
        "lower": None if interval is None else interval.low,
        "upper": None if interval is None else interval.high,
        "length_effect": found.length_effect,
    }
