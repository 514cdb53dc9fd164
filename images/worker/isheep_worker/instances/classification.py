"""The question whether a task is a classification, and the parser of the answer (Self-Instruct).

The prompt shows 31 tasks with their answers and ends before the answer to the last task. The answer
is one word, yes or no.
"""

from __future__ import annotations

import re

from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import one_line

TEMPLATE = "self-instruct-classify"
STOP = ("\n",)
_ANSWER = re.compile(r"\s*+(?:(?P<yes>yes)|no)\b", re.IGNORECASE)


def classification_prompt(library: TemplateLibrary, instruction: str) -> str:
    """Return the raw prompt; the constant text is first, and no white space is at the end."""
    return library.render(TEMPLATE, instruction=one_line(instruction)).rstrip()


def parse_answer(text: str) -> bool | None:
    """Return whether a task is a classification.

    Args:
        text: The model's answer.

    Returns:
        True for yes, False for no, and None for any other answer.
    """
    match = _ANSWER.match(text)
    return None if match is None else match["yes"] is not None
