"""The checkpoints of a training, and the conditions under which training resumes from one.

A checkpoint is a folder: the adapter, the best adapter so far (see `best_adapter`), the states
of optimizer, schedule and random number generators, and the Trainer's own state with the log so
far. A resumed training is identical to the bit with an uninterrupted one, but only in the same
environment. So the folder also records the number of processes, the kind of device and the
package versions. If one of them differs, training starts again and logs the reason.

The states of optimizer, schedule and generators are PyTorch files, hence pickles. The Trainer
reads them with `weights_only=True` (since Transformers 5), which builds tensors, numbers and
strings and calls nothing. A checkpoint that was modified in the store can spoil a run, but it
cannot run code.
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
        """Store a checkpoint; the caller deletes the folder after the call."""

    def latest(self) -> Path | None:
        """Return a local copy of the newest checkpoint, or None if there is none."""

    def discard(self) -> None:
        """Delete all checkpoints.

        The newest checkpoint is the one with the highest step. Without the deletion, an old
        checkpoint would count as newer than those of a training that starts again.
        """


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The checkpoint to resume from: `folder` and its `step`, or None to start from step 0.

    `refused` is the reason for not using an existing checkpoint.
    """

    folder: Path | None = None
    step: int | None = None
    refused: str | None = None


def provenance(world_size: int, device: str) -> dict[str, Any]:
    """Return the environment that a checkpoint of this process depends on.

    Args:
        world_size: The number of training processes.
        device: The kind of device, `cpu` or `cuda`.
    """
    versions = {package: version(package) for package in _PACKAGES}
    return {"worldSize": world_size, "device": device, "versions": versions}


def write_provenance(folder: Path, here: Mapping[str, Any], step: int) -> None:
    """Write the step and the environment of a checkpoint into its folder."""
    document = {"step": step, "writtenOn": here}
    (folder / PROVENANCE).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def resume_point(checkpoints: Checkpoints, here: Mapping[str, Any]) -> ResumePoint:
    """Return the newest checkpoint if training can resume from it, or why it cannot.

    Args:
        checkpoints: The stored checkpoints.
        here: The present environment, as `provenance` returns it.
    """
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
            refused=f"step {step} was written on {_describe(there)}, this is {_describe(here)}"
        )
    return ResumePoint(folder, step)


def _describe(document: object) -> str:
    return json.dumps(document, sort_keys=True)
