"""Asking whether a task is a classification, and reading the answer (Self-Instruct).

The prompt shows 31 tasks with their answers and ends before the answer to the last one,
which is one word. What says neither yes nor no is no answer.
"""

from __future__ import annotations

import re

from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import one_line

TEMPLATE = "self-instruct-classify"
STOP = ("\n",)
_ANSWER = re.compile(r"\s*+(?:(?P<yes>yes)|no)\b", re.IGNORECASE)


def classification_prompt(library: TemplateLibrary, instruction: str) -> str:
    """Return the raw prompt, constant text first; it ends without white space."""
    return library.render(TEMPLATE, instruction=one_line(instruction)).rstrip()


def parse_answer(text: str) -> bool | None:
    """Return whether the task is a classification; None where the answer does not say."""
    match = _ANSWER.match(text)
    return None if match is None else match["yes"] is not None
