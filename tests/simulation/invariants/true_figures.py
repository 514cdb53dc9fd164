"""The figures of a finished run are those of its stages in the store.

`same_outcome` compares with a run that the same planner has planned. So it cannot find a figure
that this planner always gets wrong.
"""

from __future__ import annotations

from typing import Any

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
            for name, expected in _expected(stages, record["iteration"]).items():
                shown = record.get(name)
                if shown is None or abs(shown - expected) > ERROR:
                    place = f"{final.run['metadata']['name']}, iteration {record['iteration']}"
                    found.append(f"{place}: {name} is {shown}, and {expected} in the store")
    return found


def _expected(stages: list[tuple[str, Any]], iteration: int) -> dict[str, float]:
    own = [(i.split("/")[1], s) for i, s in stages if i.startswith(f"i{iteration}/")]
    rounds = [s.get("completions", 0.0) for kind, s in own if kind == "generate"]
    last = dict(own)
    figures = {
        name: last[kind][statistic]
        for name, (kind, statistic) in FIGURES.items()
        if statistic in last.get(kind, {})
    }
    return {**figures, "completions": sum(rounds)}
