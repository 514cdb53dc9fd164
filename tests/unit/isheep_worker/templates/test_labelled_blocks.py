"""The reader of blocks with labels."""

import pytest

from isheep_worker.templates.labelled_blocks import read_blocks
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary

NAME = "dromedary-exemplars"
LABELS = ("Ask:", "Say:")


def blocks(text: str) -> list[dict[str, str]]:
    return read_blocks(TemplateLibrary({NAME: text}), NAME, LABELS)


def test_a_text_continues_until_the_next_label():
    text = "###\n\nAsk: one\nSay: two\n\n  three\n ### \nAsk:\nfour: five\nSay: #\n"
    assert blocks(text) == [
        {"Ask:": "one", "Say:": "two\n\n  three"},
        {"Ask:": "four: five", "Say:": "#"},
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("\n###\n", ["has no block", "Ask:, Say:"]),
        ("hello\nAsk: one\nSay: two", ["block 1", "begins with 'hello'", "'Ask:'"]),
        ("Ask: a\nSay: b\n###\nAsk: a\nAsk: b\nSay: c", ["block 2", "'Ask:' appears twice"]),
        ("Say: b\nAsk: a", ["has Say:, Ask:", "needs Ask:, Say:"]),
        ("Ask: a", ["has Ask:", "needs Ask:, Say:"]),
        ("Ask: a\nSay: \n\n", ["'Say:' has no text"]),
    ],
)
def test_the_message_about_a_bad_list_names_block_and_label(text: str, parts: list[str]):
    with pytest.raises(PromptTemplateError) as caught:
        blocks(text)
    for part in (repr(NAME), *parts):
        assert part in str(caught.value)
