"""The figures of an iteration that has no report yet, as lines of text, from its manifests.

The report is the last stage of an iteration. If an iteration fails, its committed stages tell why:
how much each stage made, and how much each rule dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.rule_names import DROP
from isheep.contract.stage_ids import iteration_of
from isheep.store.artifacts import ArtifactStore


def figures(artifacts: ArtifactStore, committed: Mapping[str, str]) -> list[str]:
    """Return the lines of the newest iteration, or none if its report is committed.

    `committed` has the keys of the committed stages by their ids, in the plan's order.
    """
    newest = max(map(iteration_of, committed), default=0)
    if newest == 0 or f"i{newest}/report" in committed:
        return []
    lines = [f"iteration {newest} has no report yet; its committed stages:"]
    for id_, key in committed.items():
        manifest = artifacts.manifest(key) if iteration_of(id_) == newest else None
        if manifest is not None:
            lines.append(f"  {id_}: {_line(manifest.statistics)}")
    return lines


def _line(statistics: Mapping[str, float]) -> str:
    counts = [f"{name} {value:g}" for name, value in statistics.items() if ":" not in name]
    drops = {name.removeprefix(DROP): n for name, n in statistics.items() if name.startswith(DROP)}
    dropped = [f"{rule} {n:g}" for rule, n in sorted(drops.items(), key=lambda drop: -drop[1]) if n]
    return ", ".join(counts) + (f"; dropped: {', '.join(dropped)}" if dropped else "")
