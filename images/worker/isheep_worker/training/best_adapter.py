"""The adapter with the lowest validation loss so far, while training goes on (Appendix E).

It is a copy outside the device, whole in each of several processes, as the adapter itself is:
their validation losses are the same to the bit, so all of them hold the same step's. A
checkpoint has it beside the present adapter, in one file with its step and loss, because
after a kill nothing else knows what it was.
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
    """Holds one adapter: of all that it was offered the best, the first among equals."""

    def __init__(self) -> None:
        self._held: _Held | None = None

    @property
    def step(self) -> int | None:
        """The step of the adapter that is held; None where it holds none."""
        return None if self._held is None else self._held.step

    def offer(self, model: Any, step: int, loss: float) -> None:
        """Hold the model's adapter after a step if its validation loss is the lowest so far."""
        if self._held is None or loss < self._held.loss:
            weights = {n: w.detach().to("cpu", copy=True) for n, w in _adapter(model)}
            self._held = _Held(step, loss, weights)

    def give_back(self, model: Any) -> None:
        """Make the adapter that is held the model's; without one the model keeps its own."""
        if self._held is None:
            return
        with torch.no_grad():
            for name, weight in _adapter(model):
                weight.copy_(self._held.weights[name])

    def save(self, folder: Path) -> None:
        """Write what is held into a checkpoint's folder; nothing where it holds none."""
        if self._held is None:
            return
        # `repr` is exact: of equal losses the first has to stay the first.
        told = {"step": str(self._held.step), "loss": repr(self._held.loss)}
        save_file(dict(self._held.weights), folder / BEST, metadata=told)

    def restore(self, folder: Path) -> None:
        """Hold what a checkpoint's folder has; nothing where nothing was held when it was made."""
        if not (folder / BEST).exists():
            self._held = None
            return
        with safe_open(folder / BEST, framework="pt", device="cpu") as file:
            told = file.metadata()
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self._held = _Held(int(told["step"]), float(told["loss"]), weights)


def _adapter(model: Any) -> Iterator[tuple[str, Any]]:
    return ((n, w) for n, w in model.named_parameters() if w.requires_grad)
