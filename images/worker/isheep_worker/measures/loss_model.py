"""The model as a reader: how likely it finds the tokens of a text, and the text's vector.

Transformers' own forward pass, whichever engine writes: the losses are those that
`model(input_ids, labels=labels).loss` has, and one implementation decides for both
engines. Texts of a batch are padded on the right, which a causal model never sees.

The vector of a text is the mean over its tokens of the last layer's states, as they go
into the output layer. Not the last token's: in a causal model that one is about what
comes next, and most texts end in the same few marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.engines.memory import device_memory_errors
from isheep_worker.measures.texts import Reading, TokenText

# Of so many positions logits are held in float32 at a time: vocabularies are large.
_POSITIONS_AT_ONCE = 512
_GPU_TOKENS_AT_ONCE = 4096


class Reader:
    """A causal language model of Transformers, on all GPUs that there are, else on the CPU."""

    def __init__(
        self,
        folder: Path,
        dtype: str,
        memory_reduction: int,
        *,
        vectors: bool,
        adapter: Adapter | None = None,
    ) -> None:
        """Load the model, with an adapter beside it if any.

        Raises `DeviceMemoryError` where the GPUs do not hold it.
        """
        from transformers import AutoModelForCausalLM  # noqa: PLC0415 (heavy)
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415 (heavy)

        disable_progress_bar()
        on_gpu = torch.cuda.is_available()
        with device_memory_errors(f"loading {folder}"):
            self._model: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, dtype),
                device_map="auto" if on_gpu else "cpu",
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            ).eval()
        # There is no map where all of it is in one place.
        places = {str(place) for place in getattr(self._model, "hf_device_map", {}).values()}
        if on_gpu and places & {"cpu", "disk"}:
            raise DeviceMemoryError(
                f"the GPUs do not hold the model in {folder}: use more or larger ones"
            )
        if adapter is not None:
            from peft import PeftModel  # noqa: PLC0415 (heavy)

            self._model = PeftModel.from_pretrained(self._model, str(adapter.folder)).eval()
        # On a CPU one text at a time is fastest: nothing of it is padding.
        self.tokens_at_once = _GPU_TOKENS_AT_ONCE >> memory_reduction if on_gpu else 0
        self._states: Any = None
        if vectors:
            self._model.get_output_embeddings().register_forward_pre_hook(self._keep_states)

    def read(self, texts: Sequence[TokenText]) -> list[Reading]:
        """Return what the model makes of texts, which are one batch."""
        ids, mask = _padded(texts, self._model.device)
        with device_memory_errors("measuring"), torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            states, self._states = self._states, None
            return [
                _reading(
                    text,
                    _token_losses(logits[row, : len(text)], ids[row, : len(text)]),
                    None if states is None else states[row, : len(text)],
                )
                for row, text in enumerate(texts)
            ]

    def close(self) -> None:
        """Drop the model and give its memory back."""
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _keep_states(self, _module: Any, arguments: tuple[Any, ...]) -> None:
        self._states = arguments[0]


def _padded(texts: Sequence[TokenText], device: Any) -> tuple[Any, Any]:
    """Return ids and mask, int64[texts, longest]; no mask where nothing is padding."""
    longest = max(len(text) for text in texts)
    padding = [longest - len(text) for text in texts]
    ids = [
        [*text.prompt_ids, *text.response_ids, *[0] * more]
        for text, more in zip(texts, padding, strict=True)
    ]
    if not any(padding):
        return torch.tensor(ids, device=device), None
    mask = [[1] * (longest - more) + [0] * more for more in padding]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _token_losses(logits: Any, ids: Any) -> Any:
    """Return the losses of all ids but the first, float64[n - 1], from logits [n, vocabulary]."""
    parts = zip(
        logits[:-1].split(_POSITIONS_AT_ONCE),
        ids[1:].to(logits.device).split(_POSITIONS_AT_ONCE),
        strict=True,
    )
    losses = [
        torch.nn.functional.cross_entropy(part.float(), wanted, reduction="none")
        for part, wanted in parts
    ]
    return torch.cat(losses).double().cpu()


def _reading(text: TokenText, losses: Any, states: Any | None) -> Reading:
    return Reading(
        response_loss=float(losses[-len(text.response_ids) :].mean()),
        pair_loss=float(losses.mean()),
        vector=None if states is None else states.float().mean(dim=0).cpu().numpy(),
    )
