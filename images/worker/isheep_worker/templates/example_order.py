"""The order of worked examples, which moves scores: the one right before the pair pulls most.

In a template the examples stand between lines of `###`: what comes before the first such
line is the header, what follows the last is the pair and its question. So another order
is another text of the same template, for the built-in ones and a run's own alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations

from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary

_SEPARATOR = re.compile(r"^###\n", re.MULTILINE)
MOST_EXAMPLES = 5
"""5 examples have 120 orders; each is a text of its own, and a column of the report."""


def reordered(name: str, text: str) -> Mapping[str, str]:
    """Return a template's text in every order of its examples.

    An order is named by the numbers that its examples have in the template, such as
    `2-3-1`. Raises `PromptTemplateError` where there are none to order, or too many.
    """
    header, *sections = _SEPARATOR.split(text)
    examples, pair = sections[:-1], "".join(sections[-1:])
    if not 2 <= len(examples) <= MOST_EXAMPLES:
        raise PromptTemplateError(
            f"template {name!r} has {len(examples)} worked examples between lines of '###'; "
            f"assessment.exampleOrder Shuffled orders 2 to {MOST_EXAMPLES}: separate them so, or "
            "write Fixed"
        )
    return {
        "-".join(str(number + 1) for number in order): "###\n".join(
            [header, *(examples[number] for number in order), pair]
        )
        for order in permutations(range(len(examples)))
    }


class ExampleOrders:
    """A library with one template's examples in every order; each pair is asked in one of them."""

    def __init__(self, library: TemplateLibrary, name: str) -> None:
        """Take a checked library. Raises `PromptTemplateError`."""
        self._libraries = {
            order: TemplateLibrary({**library.texts, name: text})
            for order, text in reordered(name, library.texts[name]).items()
        }

    def draw(self, random_seed: int, stage_id: str, item: str) -> str:
        """Return the order for an item: the same for its levels, whatever others are asked."""
        orders = list(self._libraries)
        return orders[item_seed(random_seed, stage_id, f"{item}/examples") % len(orders)]

    def library(self, order: str) -> TemplateLibrary:
        """Return the library with the examples in an order."""
        return self._libraries[order]
