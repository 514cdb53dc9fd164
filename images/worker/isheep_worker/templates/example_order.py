"""The order of worked examples, which changes scores: the last example has the largest influence.

In a template, lines of `###` separate the examples. The text before the first such line is the
header, and the text after the last one is the pair and its question. So another order is another
text of the same template, for built-in templates and for the run's own ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations

from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary

_SEPARATOR = re.compile(r"^###\n", re.MULTILINE)
MOST_EXAMPLES = 5
"""5 examples have 120 orders; each order is one text, and one row of a table of the report."""


def reordered(name: str, text: str) -> Mapping[str, str]:
    """Return the text of a template in every order of its examples.

    Args:
        name: The name of the template, for messages.
        text: The text of the template.

    Returns:
        The texts by the name of the order, such as `2-3-1`: the numbers that the examples have in
        the template.

    Raises:
        PromptTemplateError: The template has fewer than two examples, or too many.
    """
    header, *sections = _SEPARATOR.split(text)
    examples, pair = sections[:-1], "".join(sections[-1:])
    if not 2 <= len(examples) <= MOST_EXAMPLES:
        raise PromptTemplateError(
            f"template {name!r} has {len(examples)} worked examples between lines of '###'; "
            f"assessment.exampleOrder: Shuffled needs 2 to {MOST_EXAMPLES}. Separate the examples "
            "with lines of '###', or write Fixed"
        )
    return {
        "-".join(str(number + 1) for number in order): "###\n".join(
            [header, *(examples[number] for number in order), pair]
        )
        for order in permutations(range(len(examples)))
    }


class ExampleOrders:
    """A library with the examples of one template in every order; each pair gets one order."""

    def __init__(self, library: TemplateLibrary, name: str) -> None:
        """Take a checked library and the template's name; raises `PromptTemplateError`."""
        self._libraries = {
            order: TemplateLibrary({**library.texts, name: text})
            for order, text in reordered(name, library.texts[name]).items()
        }

    def draw(self, random_seed: int, stage_id: str, item: str) -> str:
        """Return the order for an item: the same for all its levels, independent of other items."""
        orders = list(self._libraries)
        return orders[item_seed(random_seed, stage_id, f"{item}/examples") % len(orders)]

    def library(self, order: str) -> TemplateLibrary:
        """Return the library with the examples in an order."""
        return self._libraries[order]
