"""Principle-driven answers: the prompt for an answer, and the parser of it (SELF-ALIGN, step 2).

The constant text comes first: the principles, then worked examples. Then come the task and the
label after which the model writes its thoughts and its reply:

    <principles>

    ###
    Request: <instruction, and input on separate lines>
    Private thoughts: <the principles that apply, and what follows from them>
    Public reply: <the response>

    ###
    Request: <the task>
    Private thoughts:

Only the reply is a response. The thoughts and all other texts of this prompt must never become
training data. So if no reply can be read from an answer with certainty, the pair is dropped under
the name of the cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from isheep_worker.templates.labelled_blocks import SEPARATOR, read_blocks
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary

PRINCIPLES = "dromedary-principles"
EXEMPLARS = "dromedary-exemplars"
REQUEST, THOUGHTS, REPLY = "Request:", "Private thoughts:", "Public reply:"
STOP = (f"\n{SEPARATOR}\n", f"\n{REQUEST}", f"\n{THOUGHTS}")
"""The strings that end a completion: the starts of the texts that can follow a reply."""

NO_REPLY = "no-reply"
EMPTY_REPLY = "empty-reply"
LEAKED_THOUGHTS = "leaked-thoughts"


@dataclass(frozen=True, slots=True)
class WorkedExample:
    """A request with the thoughts and the reply."""

    request: str
    thoughts: str
    reply: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of an answer: its text, or the name of the rule that drops the answer."""

    text: str = ""
    rule: str | None = None


@lru_cache(maxsize=4)
def worked_examples(library: TemplateLibrary) -> tuple[WorkedExample, ...]:
    """Return the run's exemplars; raises `PromptTemplateError` if the list has another form."""
    blocks = read_blocks(library, EXEMPLARS, (REQUEST, THOUGHTS, REPLY))
    return tuple(WorkedExample(*block.values()) for block in blocks)


def principle_prompt(
    library: TemplateLibrary, exemplars: int, instruction: str, input_text: str
) -> str:
    """Return the raw prompt that asks for a principle-driven answer.

    Args:
        library: The run's templates.
        exemplars: The number of worked examples that the prompt shows.
        instruction: The instruction of the task.
        input_text: The input of the task, or an empty text.

    Returns:
        The prompt, which ends after `Private thoughts:`.

    Raises:
        PromptTemplateError: The template has fewer exemplars, or another form.
    """
    examples = worked_examples(library)
    if len(examples) < exemplars:
        raise PromptTemplateError(
            f"template {EXEMPLARS!r} has {len(examples)} exemplars, but "
            f"spec.dromedary.exemplars is {exemplars}; write more exemplars, or lower that field"
        )
    shown = "".join(
        f"{_asked(one.request)} {one.thoughts}\n{REPLY} {one.reply}\n\n"
        for one in examples[:exemplars]
    )
    request = "\n".join(text.strip() for text in (instruction, input_text) if text.strip())
    return f"{library.render(PRINCIPLES).rstrip()}\n\n{shown}{_asked(request)}"


def read_reply(answer: str) -> Reply:
    """Return the reply of an answer, without the thoughts.

    The function takes time linear in the length of the answer and never fails.

    Args:
        answer: The text that the model wrote after `Private thoughts:`.

    Returns:
        The text of the reply, or the name of the rule that drops the answer.
    """
    label = _REPLY_LINE.search(answer)
    if label is None:
        return Reply(rule=NO_REPLY)
    text = answer[label.end() :].strip().removesuffix(SEPARATOR).strip()
    if _LABEL.search(text):
        return Reply(rule=LEAKED_THOUGHTS)
    return Reply(text) if text else Reply(rule=EMPTY_REPLY)


# The label of the reply starts a line. With a label in it, a reply may contain thoughts.
_REPLY_LINE = re.compile(
    r"^[ \t]{0,8}+\*{0,2}+public reply\*{0,2}+[ \t]{0,8}+:\*{0,2}+", re.IGNORECASE | re.MULTILINE
)
_LABEL = re.compile(r"(?:public reply|private thoughts)\*{0,2}+[ \t]{0,8}+:", re.IGNORECASE)


def _asked(request: str) -> str:
    return f"{SEPARATOR}\n{REQUEST} {request}\n{THOUGHTS}"
