"""Answers to a few fixed questions before and after training, decoded greedily.

The answers decide nothing and measure nothing. They show a reader of the report what a loss
cannot show. The base answers in the first iteration only, because its answers do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isheep_worker.templates.prompting import Prompting

QUESTIONS = (
    "Name three things that float on water.",
    "Explain in one sentence why the sky looks blue.",
    "Write a short note that thanks a neighbour for watering the plants.",
    "Which is heavier, a kilogram of feathers or a kilogram of stones?",
)
MAX_TOKENS = 48


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """One question with the answer of M(t), and the base's answer if the base answered."""

    prompt: str
    before: str | None
    after: str


def sample_answers(
    model: Any, prompting: Prompting, prompts: Sequence[Sequence[int]], *, with_base: bool
) -> list[SampleAnswer]:
    """Return a model's answers to `QUESTIONS`.

    Args:
        model: The `PeftModel` of M(t), in evaluation mode.
        prompting: The tokenizer and the chat format.
        prompts: The token ids of the rendered questions, in the order of `QUESTIONS`.
        with_base: Whether the base without the adapter answers too.
    """
    after = _answers(model, prompting, prompts)
    before: list[str] | list[None] = [None] * len(after)
    if with_base:
        with model.disable_adapter():
            before = _answers(model, prompting, prompts)
    return [SampleAnswer(*row) for row in zip(QUESTIONS, before, after, strict=True)]


def _answers(model: Any, prompting: Prompting, prompts: Sequence[Sequence[int]]) -> list[str]:
    """Answer all prompts as one batch, padded on the left."""
    import torch  # noqa: PLC0415 (heavy)

    stops = list(prompting.chat_format.stop_token_ids)
    width = max(len(prompt) for prompt in prompts)
    padding = [width - len(prompt) for prompt in prompts]
    with torch.inference_mode():
        output = model.generate(
            input_ids=torch.tensor(
                [[stops[0]] * n + list(p) for n, p in zip(padding, prompts, strict=True)],
                device=model.device,
            ),
            attention_mask=torch.tensor(
                [[0] * n + [1] * (width - n) for n in padding], device=model.device
            ),
            max_new_tokens=MAX_TOKENS,
            do_sample=False,
            use_cache=True,
            eos_token_id=stops,
            pad_token_id=stops[0],
        )
    return [prompting.renderer.decode(row[width:].tolist()).strip() for row in output]
