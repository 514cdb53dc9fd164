"""The check that each prompt of a run leaves room for its answer, before a GPU is requested.

Each stage program that sends prompts to a model yields its longest prompts from its settings. The
recipe predicts the stages of the run. Therefore this module depends on no recipe and on no stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from isheep.recipes.interface import Stage
from isheep.recipes.stage_kinds import StageKind
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.longest_prompts import Known, LongestPrompt

LongestPrompts = Callable[[Any, Known], Iterator[LongestPrompt]]
"""Yields the longest prompts of a stage from its settings."""
LongestPromptsOf = Callable[[StageKind], LongestPrompts | None]
"""Returns this function for a stage kind, or None if its stages send no prompts."""


def longest_prompts(
    stages: Iterable[Stage], known: Known, function_of: LongestPromptsOf
) -> Iterator[LongestPrompt]:
    """Yield the longest prompts of stages in their order, once for equal settings.

    Args:
        stages: The predicted stages of a run.
        known: The run's templates and seed tasks, from which the prompts are made.
        function_of: The function of each stage kind that yields the longest prompts.

    Raises:
        BadInputError: A list of a template has fewer entries than the prompts show.
        PromptTemplateError: A list of a template has an invalid form.
    """
    prompting = (stage for stage in stages if function_of(stage.kind) is not None)
    for kind, settings in dict.fromkeys((stage.kind, stage.settings) for stage in prompting):
        function = function_of(kind)
        if function is not None:
            yield from function(settings, known)


@dataclass(frozen=True, slots=True)
class MeasuredPrompt:
    """A longest prompt and its length in tokens, with what the model writes into it."""

    prompt: LongestPrompt
    tokens: int

    @property
    def with_answer(self) -> int:
        """The length of the prompt with its answer, in tokens."""
        return self.tokens + self.prompt.answer


def measured_prompts(
    stages: Iterable[Stage], known: Known, function_of: LongestPromptsOf
) -> list[MeasuredPrompt]:
    """Return the longest prompts of stages with their lengths.

    The arguments and the errors are those of `longest_prompts`.
    """
    return [
        MeasuredPrompt(prompt, known.length(prompt.text) + prompt.generated)
        for prompt in longest_prompts(stages, known, function_of)
    ]


def check_prompt_lengths(prompts: Iterable[MeasuredPrompt], max_length: int) -> None:
    """Check that each prompt fits the model together with its answer.

    Args:
        prompts: The longest prompts.
        max_length: The model's maximum length of prompt and answer together, in tokens.

    Raises:
        BadInputError: A prompt is too long.
    """
    for measured in prompts:
        if measured.with_answer > max_length:
            raise BadInputError(_too_long(measured.prompt, measured.tokens, max_length))


def _too_long(prompt: LongestPrompt, tokens: int, max_length: int) -> str:
    problem = (
        f"prompts of up to {tokens} tokens (template {prompt.template!r}) and {prompt.answer} for "
        f"the answer do not fit the model's {max_length}"
    )
    if prompt.field is None:
        return f"promptsRef: {problem}; shorten that template, or use a model with a longer context"
    return (
        f"{prompt.field}.maxTokens: {problem}; lower it, or use shorter or fewer examples or a "
        "model with a longer context"
    )
