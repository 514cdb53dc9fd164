"""The first character is ASCII and is not punctuation."""

import pytest

from isheep_worker.rules.first_character import FIRST_CHARACTER
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("instruction", "task_input", "detail"),
    [
        ("Name a bird.", "", None),
        ("3 birds are to be named.", "", None),
        ("- Name a bird.", "", "-"),
        ('"Hello" in French, please.', "", '"'),
        ("Évoquez un oiseau.", "", "É"),
        ("写一首诗", "", "写"),
        ("Name a bird.", "- x", None),
    ],
)
def test_a_wrong_first_character_is_found(
    instruction: str, task_input: str, detail: str | None
) -> None:
    assert FIRST_CHARACTER.check(ParsedTask(1, instruction, task_input)) == detail
