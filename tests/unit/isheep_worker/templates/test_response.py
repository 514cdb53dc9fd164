"""The prompts for responses."""

import pytest

from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.response import response_chat, response_raw, response_verbose

LIBRARY = TemplateLibrary()


@pytest.mark.parametrize(
    ("instruction", "input_text", "raw", "chat"),
    [
        ("Name a colour.", "", "Name a colour.\n", "Name a colour."),
        (" Sort. ", "b\na\n", "Sort.\nb\na\n", "Sort.\n\nb\na"),
        ("{{ x }}", "{% y %}", "{{ x }}\n{% y %}\n", "{{ x }}\n\n{% y %}"),
    ],
)
def test_the_prompt_contains_only_the_task(instruction: str, input_text: str, raw: str, chat: str):
    assert response_raw(LIBRARY, instruction, input_text) == raw
    assert response_chat(LIBRARY, instruction, input_text) == chat


def test_a_verbose_prompt_ends_with_the_task():
    verbose = response_verbose(LIBRARY, " Sort. ", "b\na\n")
    assert verbose.endswith("\n\nSort.\n\nb\na")
    assert len(verbose.split()) > 20
