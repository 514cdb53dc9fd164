"""`isheep run` with expected scores, which the report shows.

The model is tiny and writes digits only: after any prompt it writes some digits and ends. So the
labels have nearly all of the probability, as with a real assessor.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .command import MODEL, TINY_TRAINING, command, write_run

pytestmark = pytest.mark.long

COMPARED = 20
THRESHOLD = 4
SPEC: dict[str, Any] = {
    "recipe": "ISheep",
    "iterations": 1,
    "model": {"storageUri": MODEL},
    "engine": {"type": "Transformers"},
    "storage": {"folder": {"path": "store"}},
    "instructions": {
        "count": 70,
        "examplesPerPrompt": 2,
        "sampling": {"maxTokens": 40},
    },
    "curation": {"rules": "None", "deduplication": {"maxRougeL": 1.0}},
    "responses": {"sampling": {"maxTokens": 24}},
    "assessment": {
        "rubric": "InContext",
        "exampleOrder": "Shuffled",
        "scoring": "Expected",
        "decoding": "Constrained",
        "compare": COMPARED,
        "promptFormat": "Raw",
        "sampling": {"maxTokens": 24},
    },
    "selection": {"threshold": THRESHOLD, "minSamples": 1},
    "training": TINY_TRAINING,
    "yardstick": {"items": 0},
}


@pytest.fixture(scope="module")
def digits_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, changed so that digits and the end of the text are the likely tokens.

    One direction is added to all embeddings, and most to those of the likely tokens.
    """
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("digits") / "model"
    shutil.copytree(tiny_model_dir, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    likely = [*tokenizer.convert_tokens_to_ids(list("0123456789")), tokenizer.eos_token_id]
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"][:, 0] += 0.2
    tensors["model.embed_tokens.weight"][likely, 0] += 1.3
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@dataclass(frozen=True)
class Run:
    """A run's folder and its model."""

    folder: Path
    model: Path

    def command(self, *words: str) -> str:
        return command(self.folder, self.model, *words)

    def data(self) -> list[dict[str, Any]]:
        self.command("export", "tiny.yaml", "--iteration", "1", "-o", "data.jsonl")
        return [json.loads(line) for line in (self.folder / "data.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(digits_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run."""
    run = Run(tmp_path_factory.mktemp("expected"), digits_dir)
    write_run(run.folder / "tiny.yaml", SPEC)
    run.command("run", "tiny.yaml")
    return run


def test_scores_are_expected_values(finished: Run) -> None:
    rows = finished.data()
    assert rows
    for row in rows:
        assert all(THRESHOLD < score <= 10 for score in row["scores"].values())
    assert any(score % 1 for row in rows for score in row["scores"].values())


def test_the_report_describes_the_scores(finished: Run) -> None:
    (report,) = finished.folder.glob("store/**/runs/tiny/report.json")
    quality, following = json.loads(report.read_text())["iterations"][0]["scores"]
    assert (quality["level"], following["level"]) == ("Quality", "Following")
    assert quality["mass"] > 0.5
    assert sum(quality["distribution"]) == pytest.approx(1)
    assert 0 < quality["agreement"]["pairs"] <= COMPARED
