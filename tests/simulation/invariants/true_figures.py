"""The figures of a finished run are those of its stages in the store.

`same_outcome` compares with a run that the same planner has planned. So it cannot find a figure
that this planner always gets wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..api_server import Json
from ..history import History

FIGURES = {
    "accepted": ("curate", "accepted"),
    "kept": ("select", "kept"),
    "meanScore": ("select", "meanScore"),
    "trainingLoss": ("train", "trainLoss"),
    "trainingSamples": ("train", "samples"),
    "validationLoss": ("train", "evalLoss"),
    "validationSamples": ("train", "validationSamples"),
}
"""The kind of the stage, of which the last one counts, and the name of its statistic."""
OF_VERDICTS = {
    "yardstick": {"items": "items", "difference": "difference"},
    "benchmark": {"items": "benchmarkItems", "difference": "benchmarkDifference"},
    "judgement": {"items": "judgementItems", "rate": "judgementRate"},
    "grades": {"items": "gradeItems", "mean": "gradeMean", "difference": "gradeDifference"},
}
"""The figures of a comparison with M(0), and the names of the statistics of the verdict."""
ERROR = 1e-3
"""The result of a walk has four decimals."""


def violations(history: History) -> list[str]:
    """Return the figures that differ from the statistics in the store, or are missing."""
    made = {commit.key: commit.statistics for commit in history.commits}
    found = []
    for final in history.final:
        status = final.run.get("status") or {}
        if status.get("phase") != "Succeeded":
            continue
        stages = [(s["id"], made.get(s["key"], {})) for s in status["stages"]]
        for record in status["history"]:
            found += _compared(final.run, stages, record)
            for name, expected in _expected(stages, record["iteration"]).items():
                shown = record.get(name)
                if shown is None or abs(shown - expected) > ERROR:
                    place = f"{final.run['metadata']['name']}, iteration {record['iteration']}"
                    found.append(f"{place}: {name} is {shown}, and {expected} in the store")
    return found


def _compared(run: Json, stages: list[tuple[str, Any]], record: Json) -> Iterator[str]:
    """Yield the comparisons of an iteration that differ from its verdict, or that nothing asks for.

    A verdict has statistics of what it compares, and always those of a yardstick.
    """
    if any(stage.get("failure") for stage in run["status"]["stages"]):
        # A verdict compares what is left.
        return
    t, made = record["iteration"], dict(stages)
    verdict = made.get(f"i{t}/verdict", {})
    for name, figures in OF_VERDICTS.items():
        wanted = {own: verdict[theirs] for own, theirs in figures.items() if theirs in verdict}
        if name == "yardstick" and not run["spec"]["yardstick"]["items"]:
            wanted = {}
        elif name == "yardstick" and t == 0:
            wanted = {"items": made["i0/evaluate/yardstick"]["items"]}
        shown = record.get(name) or {}
        known = {own: value for own, value in shown.items() if own in figures}
        same = known.keys() == wanted.keys()
        if not same or any(abs(known[own] - wanted[own]) > ERROR for own in known):
            place = f"{run['metadata']['name']}, iteration {t}"
            yield f"{place}: {name} is {shown}, and {wanted} in the store"


def _expected(stages: list[tuple[str, Any]], iteration: int) -> dict[str, float]:
    if not iteration:
        return {}
    own = [(i.split("/")[1], s) for i, s in stages if i.startswith(f"i{iteration}/")]
    rounds = [s.get("completions", 0.0) for kind, s in own if kind == "generate"]
    last = dict(own)
    figures = {
        name: last[kind][statistic]
        for name, (kind, statistic) in FIGURES.items()
        if statistic in last.get(kind, {})
    }
    return {**figures, "completions": sum(rounds)}
