"""The prompt of the second turn of a question: the first question, its answer, the second question.

In the chat format, the texts around the messages are those that the model's own chat template
writes in a conversation with two questions. As raw text, the prompt of the second question follows
the answer to the first one after a blank line:

    FIRST QUESTION
    FIRST ANSWER

    SECOND QUESTION

prepare resolves the texts of the chat template and stores them, so that all workers of all models
write the same prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isheep.contract.choices import PromptFormat
from isheep_worker.runtime.error_texts import describe
from isheep_worker.templates.chat import (
    ANSWER_SENTINEL,
    SENTINEL,
    ChatFormat,
    ChatFormatError,
    PromptRenderer,
    conversation_text,
)
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import task_text

BETWEEN = "\n\n"
"""The text between the first answer and the second question in a prompt that is no chat."""
_SECOND_SENTINEL = "jwqksecondjwqk"


@dataclass(frozen=True, slots=True)
class FirstTurn:
    """A question with the answer to it; `input` is "" if there is none."""

    instruction: str
    input: str
    answer: str


def second_turn_texts(tokenizer: Any, chat_format: ChatFormat) -> tuple[str, ...]:
    """Return the four texts of a chat template around a question, its answer and a question.

    Args:
        tokenizer: The model's tokenizer, as Transformers loads it.
        chat_format: The model's chat format.

    Raises:
        ChatFormatError: The template does not write such a conversation.
    """
    from jinja2 import TemplateError  # noqa: PLC0415

    marks = (SENTINEL, ANSWER_SENTINEL, _SECOND_SENTINEL)
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
    try:
        text = conversation_text(
            tokenizer, chat_format.template, messages, add_generation_prompt=True
        )
    except (TemplateError, TypeError, LookupError, ValueError) as error:
        shown = str(error) if isinstance(error, TemplateError) else describe(error)
        raise ChatFormatError(_refusal(f"it does not render: {shown}")) from error
    if any(text.count(mark) != 1 for mark in marks):
        raise ChatFormatError(_refusal("it does not write each message once"))
    found = []
    for mark in marks:
        before, _, text = text.partition(mark)
        found.append(before)
    return (*found, chat_format.after)


@dataclass(frozen=True, slots=True)
class SecondTurns:
    """Writes the prompts of second turns in one format.

    `library` has the run's templates, `renderer` is that of the model's prompts, and `chat_texts`
    are the texts of its chat template, see `second_turn_texts`.
    """

    library: TemplateLibrary
    renderer: PromptRenderer
    prompt_format: PromptFormat
    chat_texts: tuple[str, ...]

    def prompt(self, first: FirstTurn, instruction: str) -> list[int]:
        """Return the token ids of the prompt that asks for an answer to the second turn.

        Args:
            first: The first turn with the model's own answer.
            instruction: The question of the second turn.
        """
        asked = task_text(self.library, self.prompt_format, first.instruction, first.input)
        again = task_text(self.library, self.prompt_format, instruction, "")
        if self.prompt_format == "Raw":
            return self.renderer.raw(f"{asked}{first.answer}{BETWEEN}{again}")
        return self.renderer.conversation(self.chat_texts, (asked, first.answer, again))


def _refusal(problem: str) -> str:
    return (
        f"the tokenizer's chat template is for one question: with a second one {problem}; use "
        "questions with one turn, or promptFormat: Raw"
    )
