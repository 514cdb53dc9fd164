"""The entropy of the tasks that the prompts showed when the kept instructions were written.

It falls if only the prompts with some of the seed tasks lead to instructions in D(t). One prompt
counts once, because all instructions of a completion have the same exemplars.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isheep_worker.collapse.entropy import surprisals
from isheep_worker.collapse.interface import NO_FIGURE, Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _compute(source: RowSource) -> Figure:
    prompts = [shown for _, shown in dict.fromkeys(source.rows.prompts) if shown]
    if not prompts:
        return NO_FIGURE
    numbers: dict[str, int] = {}
    names = [numbers.setdefault(name, len(numbers)) for shown in prompts for name in shown]
    sizes = np.array([len(shown) for shown in prompts])
    # The items are prompts: their exemplars were drawn together.
    prompt: Any = np.repeat(np.arange(len(prompts)), sizes)
    sums = np.bincount(prompt, weights=surprisals(names))
    return mean_figure(sums * len(prompts) / len(names))


FIGURES = (
    FigureDefinition(
        "seedEntropy",
        "The entropy of the tasks in the prompts that led to the instructions of D(t).",
        "nats",
        "Shannon (1948)",
        _compute,
    ),
)
