"""Training resumes only in the environment of the checkpoint; a refusal names the difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isheep_worker.training.checkpoints import (
    PROVENANCE,
    ResumePoint,
    provenance,
    resume_point,
    write_provenance,
)

HERE = provenance(world_size=1, device="cpu")


class _Found:
    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def save(self, folder: Path, step: int) -> None:
        raise AssertionError

    def latest(self) -> Path | None:
        return self._folder

    def discard(self) -> None:
        raise AssertionError


def test_without_a_checkpoint_training_starts_at_step_0() -> None:
    assert resume_point(_Found(None), HERE) == ResumePoint(None, None, None)


def test_training_resumes_in_the_environment_of_the_checkpoint(tmp_path: Path) -> None:
    write_provenance(tmp_path, HERE, 12)
    assert resume_point(_Found(tmp_path), HERE) == ResumePoint(tmp_path, 12)


@pytest.mark.parametrize(
    ("there", "named"),
    [
        (provenance(world_size=2, device="cpu"), '"worldSize": 2'),
        (provenance(world_size=1, device="cuda"), '"device": "cuda"'),
        ({**HERE, "versions": {**HERE["versions"], "torch": "1.0"}}, '"torch": "1.0"'),
    ],
    ids=["world size", "device", "version"],
)
def test_in_another_environment_training_starts_again_and_names_the_difference(
    tmp_path: Path, there: dict[str, Any], named: str
) -> None:
    write_provenance(tmp_path, there, 12)
    point = resume_point(_Found(tmp_path), HERE)
    assert (point.folder, point.step) == (None, None)
    assert point.refused is not None
    assert "step 12" in point.refused
    assert named in point.refused


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", json.dumps({"step": "x"})])
def test_a_checkpoint_without_readable_provenance_is_refused(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / PROVENANCE).write_text(text)
    point = resume_point(_Found(tmp_path), HERE)
    assert point.folder is None
    assert point.refused is not None
    assert PROVENANCE in point.refused
