"""Where training leaves and finds its checkpoints, and which of them it may go on from.

A checkpoint is a folder: the adapter, the best one so far (see `best`), the states of
optimizer, schedule and random number generators, and the Trainer's own state with the log
so far. Going on from one is exact to the bit, but only on what it was written on: so the
folder also says with how many processes, on which kind of device and with which versions.
On anything else training starts again and says so.

The states of optimizer, schedule and generators are PyTorch files, hence pickles.
They are read with `weights_only=True` (by the Trainer, since Transformers 5), which
builds tensors, numbers and strings and calls nothing: a checkpoint that someone
changed in the store can spoil a run, but it cannot run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

PROVENANCE = "provenance.json"
_PACKAGES = ("accelerate", "numpy", "peft", "torch", "transformers")


class Checkpoints(Protocol):
    """The store's side: keeps the newest checkpoints of one train key."""

    def save(self, folder: Path, step: int) -> None:
        """Make a checkpoint durable; the folder is deleted after the call."""

    def latest(self) -> Path | None:
        """Return a local copy of the newest checkpoint, or None."""

    def discard(self) -> None:
        """Delete all checkpoints: the newest is told by its step, which a new start is behind."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where training goes on: at `step` from `folder`, or from the beginning.

    `refused` says why a checkpoint that is there is not gone on from.
    """

    folder: Path | None = None
    step: int | None = None
    refused: str | None = None


def provenance(world_size: int, device: str) -> dict[str, Any]:
    """Return what a checkpoint written here and now depends on."""
    versions = {package: version(package) for package in _PACKAGES}
    return {"worldSize": world_size, "device": device, "versions": versions}


def write_provenance(folder: Path, here: Mapping[str, Any], step: int) -> None:
    """Say in a checkpoint's folder what it depends on and how far it is."""
    document = {"step": step, "writtenOn": here}
    (folder / PROVENANCE).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def resume_point(checkpoints: Checkpoints, here: Mapping[str, Any]) -> ResumePoint:
    """Return the newest checkpoint if training can go on from it here, else why it cannot."""
    folder = checkpoints.latest()
    if folder is None:
        return ResumePoint()
    try:
        document = json.loads((folder / PROVENANCE).read_text())
        step, there = int(document["step"]), document["writtenOn"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return ResumePoint(refused=f"its {PROVENANCE} cannot be read ({error!r})")
    if there != here:
        return ResumePoint(
            refused=f"step {step} was reached on {_describe(there)}, this is {_describe(here)}"
        )
    return ResumePoint(folder, step)


def _describe(document: object) -> str:
    return json.dumps(document, sort_keys=True)
