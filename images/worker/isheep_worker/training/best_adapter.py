"""The adapter with the lowest validation loss so far, held during training (Appendix E).

The copy is in main memory and complete in each process, as the adapter itself is. The
validation losses of all processes are identical to the bit, so all of them hold the adapter
of the same step. A checkpoint contains the copy in one file with its step and loss, next to
the present adapter, because a resumed training cannot compute it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

BEST = "best.safetensors"


@dataclass(frozen=True, slots=True)
class _Held:
    step: int
    loss: float
    weights: Mapping[str, Any]


class BestAdapter:
    """Holds one adapter: the one with the lowest loss, and of equal losses the earliest."""

    def __init__(self) -> None:
        self._held: _Held | None = None

    @property
    def step(self) -> int | None:
        """The step of the held adapter, or None if no adapter is held."""
        return None if self._held is None else self._held.step

    def update(self, model: Any, step: int, loss: float) -> None:
        """Hold a copy of the model's adapter if its validation loss is the lowest so far.

        Args:
            model: The model; its trainable parameters are the adapter.
            step: The optimizer step after which the loss was measured.
            loss: The validation loss in nats a token.
        """
        if self._held is None or loss < self._held.loss:
            weights = {n: w.detach().to("cpu", copy=True) for n, w in _adapter(model)}
            self._held = _Held(step, loss, weights)

    def copy_to(self, model: Any) -> None:
        """Copy the held adapter into the model; change nothing if no adapter is held."""
        if self._held is None:
            return
        with torch.no_grad():
            for name, weight in _adapter(model):
                weight.copy_(self._held.weights[name])

    def save(self, folder: Path) -> None:
        """Write the held adapter into a checkpoint's folder; write nothing if none is held."""
        if self._held is None:
            return
        # `repr` is exact, so a loss that is equal after the resume does not replace this one.
        metadata = {"step": str(self._held.step), "loss": repr(self._held.loss)}
        save_file(dict(self._held.weights), folder / BEST, metadata=metadata)

    def restore(self, folder: Path) -> None:
        """Hold the adapter in a checkpoint's folder, or none if the checkpoint has none."""
        if not (folder / BEST).exists():
            self._held = None
            return
        with safe_open(folder / BEST, framework="pt", device="cpu") as file:
            metadata = file.metadata()
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self._held = _Held(int(metadata["step"]), float(metadata["loss"]), weights)


def _adapter(model: Any) -> Iterator[tuple[str, Any]]:
    return ((n, w) for n, w in model.named_parameters() if w.requires_grad)
