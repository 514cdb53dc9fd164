"""Principle-driven answers: the prompt that asks for one, and how it is read (SELF-ALIGN, step 2).

Constant text first: the principles, then worked examples; then the task, and the label
after which the model thinks and replies:

    <principles>

    ###
    Request: <instruction, and input on lines of its own>
    Private thoughts: <which principles bear on it, and what follows>
    Public reply: <the response>

    ###
    Request: <the task>
    Private thoughts:

Only the reply is a response. What the model thought, and everything else here, is for
this prompt alone and must never be trained on, so an answer out of which no reply can be
read with certainty is dropped by name.
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
"""What ends a completion: the start of whatever would come after the reply."""

NO_REPLY = "no_reply"
EMPTY_REPLY = "empty_reply"
LEAKED_THOUGHTS = "leaked_thoughts"


@dataclass(frozen=True, slots=True)
class WorkedExample:
    """A request, what was thought and what was replied."""

    request: str
    thoughts: str
    reply: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What was read out of an answer: a text, or the name of the rule that drops it."""

    text: str = ""
    rule: str | None = None


@lru_cache(maxsize=4)
def worked_examples(library: TemplateLibrary) -> tuple[WorkedExample, ...]:
    """Return the run's exemplars; raises `PromptTemplateError` for a list that has no such form."""
    blocks = read_blocks(library, EXEMPLARS, (REQUEST, THOUGHTS, REPLY))
    return tuple(WorkedExample(*block.values()) for block in blocks)


def principle_prompt(
    library: TemplateLibrary, exemplars: int, instruction: str, input_text: str
) -> str:
    """Return the raw prompt that asks for a principle-driven answer, after so many exemplars.

    Raises `PromptTemplateError` where there are fewer.
    """
    examples = worked_examples(library)
    if len(examples) < exemplars:
        raise PromptTemplateError(
            f"template {EXEMPLARS!r} holds {len(examples)} exemplars, but "
            f"spec.dromedary.exemplars is {exemplars}; write more, or lower that field"
        )
    shown = "".join(
        f"{_asked(one.request)} {one.thoughts}\n{REPLY} {one.reply}\n\n"
        for one in examples[:exemplars]
    )
    request = "\n".join(text.strip() for text in (instruction, input_text) if text.strip())
    return f"{library.render(PRINCIPLES).rstrip()}\n\n{shown}{_asked(request)}"


def read_reply(answer: str) -> Reply:
    """Return the reply in what a model wrote after `Private thoughts:`, the thoughts cut away.

    Linear in the answer; never fails.
    """
    label = _REPLY_LINE.search(answer)
    if label is None:
        return Reply(rule=NO_REPLY)
    text = answer[label.end() :].strip().removesuffix(SEPARATOR).strip()
    if _LABEL.search(text):
        return Reply(rule=LEAKED_THOUGHTS)
    return Reply(text) if text else Reply(rule=EMPTY_REPLY)


# A label opens a line where it is meant, but anywhere in a reply it is one too many.
_REPLY_LINE = re.compile(
    r"^[ \t]{0,8}+\*{0,2}+public reply\*{0,2}+[ \t]{0,8}+:\*{0,2}+", re.IGNORECASE | re.MULTILINE
)
_LABEL = re.compile(r"(?:public reply|private thoughts)\*{0,2}+[ \t]{0,8}+:", re.IGNORECASE)


def _asked(request: str) -> str:
    return f"{SEPARATOR}\n{REQUEST} {request}\n{THOUGHTS}"
