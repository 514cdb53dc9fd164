"""Run the command `isheep` as a user does, in a folder with a run's file."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import yaml

ISHEEP = str(Path(sysconfig.get_path("scripts")) / "isheep")
MODEL = "hf://org/tiny"
SECONDS = 500
TINY_TRAINING = {
    "effectiveBatchSize": 8,
    "numTrainEpochs": 1,
    "maxLength": 128,
    "warmupSteps": 1,
    "learningRate": 0.001,
}
"""`spec.training` for a model of this size."""
TINY_SPEC: dict[str, Any] = {
    "recipe": "ISheep",
    "iterations": 2,
    "model": {"storageUri": MODEL},
    "engine": {"type": "Transformers"},
    "instructions": {
        "count": 70,
        "examplesPerPrompt": 2,
        "sampling": {"temperature": 0.7, "maxTokens": 400},
    },
    "responses": {"sampling": {"temperature": 0.7, "maxTokens": 24}},
    "assessment": {
        "levels": ["Quality"],
        "rubric": "Simple",
        "decoding": "Constrained",
        "promptFormat": "Raw",
        "sampling": {"temperature": 1.0, "maxTokens": 16},
    },
    "selection": {"threshold": 5, "minSamples": 1},
    "training": TINY_TRAINING,
    "yardstick": {"items": 0},
}
"""A run with the tiny chat model, without a store; the tests on a node use it, too."""


def write_run(path: Path, spec: dict[str, Any], name: str = "tiny") -> None:
    """Write the file of a run."""
    document = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": name},
        "spec": spec,
    }
    path.write_text(yaml.safe_dump(document))


def start(folder: Path, model: Path, *words: str, mirrored: str = MODEL) -> subprocess.Popen[str]:
    """Start a command in a new process group; the folder `model` mirrors the URI `mirrored`."""
    return subprocess.Popen(
        [ISHEEP, *words],
        cwd=folder,
        env={
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "ISHEEP_MIRRORS": f"{mirrored}={model}",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
            "HF_HUB_OFFLINE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def command(
    folder: Path, model: Path, *words: str, mirrored: str = MODEL, seconds: float = SECONDS
) -> str:
    """Run a command, check that it succeeds, and return its output."""
    process = start(folder, model, *words, mirrored=mirrored)
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, output
    return output
