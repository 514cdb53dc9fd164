"""The entropy of the first words of instructions, which are verbs in most instructions.

Self-Instruct (Wang et al. 2023) shows the root verbs of its instructions as a measure of their
diversity. It finds them with a parser of English. The first word needs no parser, is defined in
each language, and is the verb of an instruction in the imperative.
"""

from __future__ import annotations

from isheep_worker.collapse.entropy import surprisals
from isheep_worker.collapse.interface import NO_FIGURE, Figure, FigureDefinition, mean_figure
from isheep_worker.collapse.row_source import RowSource


def _compute(source: RowSource) -> Figure:
    instructions = source.rows.instructions
    has_words = instructions.lengths > 0
    firsts = instructions.flat[instructions.starts[:-1][has_words]]
    if not len(firsts):
        return NO_FIGURE
    return mean_figure(surprisals(firsts), groups=source.rows.groups[has_words])


FIGURES = (
    FigureDefinition(
        "leadingWordEntropy",
        "The entropy of the first words of the instructions; 0 if all begin with the same word.",
        "nats",
        "Wang et al. (2023), with the first word in place of the root verb",
        _compute,
    ),
)
