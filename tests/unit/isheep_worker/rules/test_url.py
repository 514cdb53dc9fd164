"""Links in the instruction or the input."""

import pytest

from isheep_worker.rules.url import URL
from isheep_worker.text.parsing import ParsedTask


@pytest.mark.parametrize(
    ("instruction", "task_input", "detail"),
    [
        ("Summarize https://example.org please.", "", "https:"),
        ("Summarize the page.", "HTTP://example.org", "HTTP:"),
        ("Summarize www.example.org please.", "", "www."),
        ("Explain what https means.", "", None),
        ("Name the www inventor.", "", None),
    ],
)
def test_a_link_is_found(instruction: str, task_input: str, detail: str | None) -> None:
    assert URL.check(ParsedTask(1, instruction, task_input)) == detail
