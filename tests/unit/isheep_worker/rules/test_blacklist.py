"""Words for pictures, sound and files: whole words in any case, in instruction and input."""

import pytest

from isheep_worker.rules.blacklist import BLACKLIST
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("instruction", "task_input", "detail"),
    [
        ("Describe the image below.", "", "image"),
        ("Compare two Images for me.", "", "Images"),
        ("Plot the numbers.", "", "Plot"),
        ("Describe the im\u00adage and the m\u200bap.", "", "image"),
        ("Describe the ｉｍａｇｅ.", "", "image"),
        ("Go to the shop and buy milk.", "", "Go to"),
        ("Read this.", "Open the FILE now", "FILE"),
        ("Name the music style.", "", "music"),
        ("Explain the drawing of lots.", "", None),
        ("Write a paragraph on filing.", "", None),
        ("Imagine a mapped region.", "", None),
        ("Go together with a friend.", "", None),
        ("List plots of famous novels.", "", None),
    ],
)
def test_a_word_of_the_blacklist_is_found(
    instruction: str, task_input: str, detail: str | None
) -> None:
    assert BLACKLIST.check(ParsedTask(1, instruction, task_input)) == detail
