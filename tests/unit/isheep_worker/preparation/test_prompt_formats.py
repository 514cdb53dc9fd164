"""prepare renders both prompt formats if it can, so that runs share the answers of M(0)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pytest

from isheep.contract.choices import PromptFormat
from isheep_worker.preparation.prompt_formats import in_both_formats
from isheep_worker.runtime.errors import BadInputError


def refusing(refused: str) -> Callable[[Sequence[PromptFormat]], Sequence[PromptFormat]]:
    """Return a function that returns its formats, and refuses one of them."""

    def make(some: Sequence[PromptFormat]) -> Sequence[PromptFormat]:
        if refused in some:
            raise BadInputError(f"no {refused}")
        return some

    return make


@pytest.mark.parametrize(
    ("answered", "pinned", "refused", "rendered"),
    [
        (["Chat"], None, "", ["Chat", "Raw"]),
        (["Raw"], None, "", ["Raw", "Chat"]),
        (["Chat", "Raw"], None, "", ["Chat", "Raw"]),
        (["Raw"], None, "Chat", ["Raw"]),
        # A run of an earlier version keeps its keys, also after an edit.
        (["Chat"], ["Chat"], "", ["Chat"]),
        (["Chat"], ["Chat", "Raw"], "", ["Chat", "Raw"]),
        (["Chat", "Raw"], ["Chat"], "", ["Chat", "Raw"]),
    ],
)
def test_the_answered_formats_and_the_other_one_if_possible(
    answered: list[PromptFormat],
    pinned: Collection[PromptFormat] | None,
    refused: str,
    rendered: list[str],
) -> None:
    assert in_both_formats(answered, pinned, refusing(refused)) == rendered


@pytest.mark.parametrize("answered", [["Raw"], ["Raw", "Chat"]])
def test_a_refusal_of_an_answered_format_is_that_of_the_run(answered: list[PromptFormat]) -> None:
    with pytest.raises(BadInputError, match="no Raw"):
        in_both_formats(answered, None, refusing("Raw"))
