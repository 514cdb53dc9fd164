"""4 to 150 words, both included; characters count as words in scripts without spaces."""

import pytest

from isheep_worker.rules.length import LENGTH
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("instruction", "task_input", "detail"),
    [
        ("Name three birds", "", "3 words, fewer than 4"),
        ("Name three small birds", "", None),
        ("word " * 150, "", None),
        ("word " * 151, "", "151 words, more than 150"),
        ("", "", "0 words, fewer than 4"),
        ("写一首诗", "", None),
        ("写诗吧", "", "3 words, fewer than 4"),
        ("Name three small birds", "word " * 500, None),
    ],
)
def test_the_number_of_words_is_checked(
    instruction: str, task_input: str, detail: str | None
) -> None:
    assert LENGTH.check(ParsedTask(1, instruction, task_input)) == detail
