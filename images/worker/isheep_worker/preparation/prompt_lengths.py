"""Every prompt that a run will ask leaves room for its answer: else it is told before a GPU is.

Each kind of stage that asks a model for text names its longest prompts from its settings;
the recipe, foreseen, says which stages there will be. So nothing here knows any recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from isheep.recipes.interface import Stage, StageKind
from isheep_worker.runtime.orders import BadInputError
from isheep_worker.stages import assess, classify, generate, instantiate, respond
from isheep_worker.templates.longest_prompts import Known, LongestPrompt

LONGEST_PROMPTS: Mapping[StageKind, Callable[[Any, Known], Iterator[LongestPrompt]]] = {
    StageKind.GENERATE: generate.longest_prompts,
    StageKind.CLASSIFY: classify.longest_prompts,
    StageKind.INSTANTIATE: instantiate.longest_prompts,
    StageKind.RESPOND: respond.longest_prompts,
    StageKind.ASSESS: assess.longest_prompts,
}
"""What each kind of stage asks at most, from its own settings."""


def longest_prompts(stages: Iterable[Stage], known: Known) -> Iterator[LongestPrompt]:
    """Yield the longest prompts of stages, in their order; those with equal settings once.

    Raises `BadInputError` where a list is too short for what prompts show,
    `PromptTemplateError` where it has not the form.
    """
    asked = dict.fromkeys(
        (stage.kind, stage.settings) for stage in stages if stage.kind in LONGEST_PROMPTS
    )
    for kind, settings in asked:
        yield from LONGEST_PROMPTS[kind](settings, known)


def check_prompt_lengths(stages: Iterable[Stage], known: Known, length: int) -> None:
    """Raise `BadInputError` for the first prompt that has no room for its answer in `length`."""
    for one in longest_prompts(stages, known):
        tokens = known.length(one.text) + one.generated
        if tokens + one.answer > length:
            raise BadInputError(_too_long(one, tokens, length))


def _too_long(one: LongestPrompt, tokens: int, length: int) -> str:
    problem = (
        f"prompts of up to {tokens} tokens (template {one.template!r}) and {one.answer} for the "
        f"answer do not fit the model's {length}"
    )
    if one.field is None:
        return f"promptsRef: {problem}; shorten that template, or use a model with a longer context"
    return (
        f"{one.field}.maxTokens: {problem}; lower it, or use shorter or fewer examples or a "
        "model with a longer context"
    )
