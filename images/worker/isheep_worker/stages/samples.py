"""What a model says before and after training: a few fixed questions, answered greedily.

They decide nothing and are no measure; they let a reader of the report see what a
loss cannot show. The base answers in the first iteration only: it stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isheep_worker.prompts import Prompting

QUESTIONS = (
    "Name three things that float on water.",
    "Explain in one sentence why the sky looks blue.",
    "Write a short note that thanks a neighbour for watering the plants.",
    "Which is heavier, a kilogram of feathers or a kilogram of stones?",
)
MAX_TOKENS = 48


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One question with the answers of the base (where it was asked) and of M(t)."""

    prompt: str
    before: str | None
    after: str


class SampledModel:
    """A base with its adapter, loaded to answer."""

    def __init__(self, base: Path, adapter: Path, dtype: str) -> None:
        import torch  # noqa: PLC0415 (heavy)
        from peft import PeftModel  # noqa: PLC0415 (heavy)
        from transformers import AutoModelForCausalLM  # noqa: PLC0415 (heavy)

        model = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=getattr(torch, dtype),
            device_map="cuda" if torch.cuda.is_available() else "cpu",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
        self._model: Any = PeftModel.from_pretrained(model, adapter).eval()

    def rows(
        self, prompting: Prompting, prompts: Sequence[Sequence[int]], *, base_too: bool
    ) -> list[SampleRow]:
        """Return the answers to `QUESTIONS`, whose token ids are `prompts`."""
        after = self._answers(prompting, prompts)
        before: list[str] | list[None] = [None] * len(after)
        if base_too:
            with self._model.disable_adapter():
                before = self._answers(prompting, prompts)
        return [SampleRow(*row) for row in zip(QUESTIONS, before, after, strict=True)]

    def _answers(self, prompting: Prompting, prompts: Sequence[Sequence[int]]) -> list[str]:
        """Answer all prompts as one batch, padded on the left."""
        import torch  # noqa: PLC0415 (heavy)

        stops = list(prompting.chat_format.stop_token_ids)
        width = max(len(prompt) for prompt in prompts)
        padding = [width - len(prompt) for prompt in prompts]
        device = self._model.device
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=torch.tensor(
                    [[stops[0]] * n + list(p) for n, p in zip(padding, prompts, strict=True)],
                    device=device,
                ),
                attention_mask=torch.tensor(
                    [[0] * n + [1] * (width - n) for n in padding], device=device
                ),
                max_new_tokens=MAX_TOKENS,
                do_sample=False,
                eos_token_id=stops,
                pad_token_id=stops[0],
            )
        return [prompting.renderer.decode(row[width:].tolist()).strip() for row in output]
