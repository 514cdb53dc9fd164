"""The model that computes the losses of a text's tokens, and the text's vector, in a forward pass.

The forward pass is that of Transformers with each engine, so runs that differ in their engine have
the same measures. The losses equal those of `model(input_ids, labels=labels).loss`. The texts of a
batch are padded on the right, which does not change the states of earlier tokens in a causal model.

The vector of a text is the mean over its tokens of the last layer's hidden states, which are the
inputs of the output layer. The state of the last token alone is less suitable: in a causal model it
predicts the next token, and most texts end with the same few punctuation marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from isheep_worker.engines.adapter import Adapter
from isheep_worker.engines.causal_model import load_model
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.engines.memory import device_memory_errors
from isheep_worker.engines.token_losses import token_losses
from isheep_worker.measures.texts import TextMeasure, TokenText

_GPU_TOKENS_AT_ONCE = 4096


class LossModel:
    """A causal language model of Transformers, on all GPUs, or on the CPU if there is no GPU."""

    def __init__(
        self,
        folder: Path,
        dtype: str,
        memory_reduction: int,
        *,
        vectors: bool,
        adapter: Adapter | None = None,
    ) -> None:
        """Load the model, and its adapter if there is one.

        Args:
            folder: The folder with the model's weights.
            dtype: torch's name of the number format, such as `float32`.
            memory_reduction: How often the number of tokens in a batch is halved.
            vectors: Whether `measure` returns vectors.
            adapter: A LoRA adapter that is added to the model.

        Raises:
            DeviceMemoryError: The GPUs' memory does not hold the model.
        """
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415 (heavy)

        disable_progress_bar()
        on_gpu = torch.cuda.is_available()
        with device_memory_errors(f"loading {folder}"):
            self._model: Any = load_model(
                folder,
                dtype=getattr(torch, dtype),
                device_map="auto" if on_gpu else "cpu",
            ).eval()
        # The map does not exist if the whole model is on one device.
        devices = {str(device) for device in getattr(self._model, "hf_device_map", {}).values()}
        if on_gpu and devices & {"cpu", "disk"}:
            raise DeviceMemoryError(
                f"the GPUs' memory does not hold the model in {folder}: use more or larger GPUs"
            )
        if adapter is not None:
            from peft import PeftModel  # noqa: PLC0415 (heavy)

            self._model = PeftModel.from_pretrained(self._model, str(adapter.folder)).eval()
        # On a CPU, batches of one text are fastest, because they have no padding.
        self.tokens_at_once = _GPU_TOKENS_AT_ONCE >> memory_reduction if on_gpu else 0
        self._states: Any = None
        if vectors:
            self._model.get_output_embeddings().register_forward_pre_hook(self._keep_states)

    def measure(self, texts: Sequence[TokenText]) -> list[TextMeasure]:
        """Run the model on one batch.

        Args:
            texts: The texts of the batch; see `texts.batches`.

        Returns:
            The measures of each text, in order.

        Raises:
            DeviceMemoryError: The device's memory is exhausted.
        """
        ids, mask = _padded(texts, self._model.device)
        with device_memory_errors("measuring"), torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            states, self._states = self._states, None
            return [
                _text_measure(
                    text,
                    token_losses(logits[row, : len(text) - 1], ids[row, 1 : len(text)]),
                    None if states is None else states[row, : len(text)],
                )
                for row, text in enumerate(texts)
            ]

    def close(self) -> None:
        """Release the model and its memory."""
        self._model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _keep_states(self, _module: Any, arguments: tuple[Any, ...]) -> None:
        self._states = arguments[0]


def _padded(texts: Sequence[TokenText], device: Any) -> tuple[Any, Any]:
    """Return ids and mask, int64 [texts, longest]; the mask is None if there is no padding."""
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


def _text_measure(text: TokenText, losses: Any, states: Any | None) -> TextMeasure:
    return TextMeasure(
        response_loss=float(losses[-len(text.response_ids) :].mean()),
        pair_loss=float(losses.mean()),
        vector=None if states is None else states.float().mean(dim=0).cpu().numpy(),
    )
