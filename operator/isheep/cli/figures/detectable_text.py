"""What the items of each benchmark can show, before a run starts, if their number is limited."""
# ruff: noqa: PLC0415  (a command imports what it needs when it runs)

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isheep.api.evaluation import EvaluatedBenchmark


def detectable(benchmarks: Iterable[EvaluatedBenchmark]) -> list[dict[str, Any]]:
    """Return the smallest detectable difference of each benchmark with a limit, as JSON values.

    `difference` is None if the items are too few for a comparison. The metric is taken to be a
    share, such as an accuracy.
    """
    from isheep_worker.statistics.detectable_effect import (
        DISCORDANCE,
        POWER,
        detectable_share_difference,
    )
    from isheep_worker.statistics.interface import MIN_CLUSTERS

    return [
        {
            "name": one.name,
            "items": one.limit,
            "discordance": DISCORDANCE,
            "power": POWER,
            "difference": None
            if one.limit < MIN_CLUSTERS
            else detectable_share_difference(one.limit),
        }
        for one in benchmarks
        if one.limit is not None
    ]


def detectable_lines(found: Iterable[dict[str, Any]]) -> list[str]:
    """Return a line for each of these benchmarks."""
    return [_line(one) for one in found]


def _line(one: dict[str, Any]) -> str:
    least = one["difference"]
    shown = "no difference" if least is None else f"a difference of {least:.3f}"
    return (
        f"{one['name']}: with {one['items']} items, {shown} between two shares is found with "
        f"{one['power']:.0%} probability, if the models disagree about {one['discordance']:.0%} of "
        "the items (assumed)"
    )
