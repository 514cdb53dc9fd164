"""The files of an exported model."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.order import RunRef
from isheep.export.facts import Base
from isheep.export.model_files import write_model
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Manifest, StageInfo, Timings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "a" * 64
CONFIG = {"base_model_name_or_path": None, "r": 8, "revision": None}


@pytest.fixture
def stored(tmp_path: Path) -> tuple[ArtifactStore, Manifest]:
    artifacts = ArtifactStore(FolderStore(tmp_path / "store"), "n")
    files = {
        "adapter_config.json": json.dumps(CONFIG),
        "adapter_model.safetensors": "weights",
        "sample-answers.jsonl.zst": "generated text",
    }
    infos = []
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        infos.append(artifacts.write_file(KEY, name, tmp_path / name))
    manifest = Manifest(
        key=KEY,
        stage=StageInfo(kind="train", version=1, id="i1/train", iteration=1),
        files=tuple(infos),
        timings=Timings(started_at=NOW, finished_at=NOW),
        run=RunRef(namespace="n", name="lamb", uid="u"),
    )
    return artifacts, artifacts.commit(KEY, manifest)


def config(folder: Path) -> Any:
    return json.loads((folder / "adapter_config.json").read_text())


def test_an_adapter_names_its_base_and_has_no_logs(
    stored: tuple[ArtifactStore, Manifest], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    assert write_model(*stored, folder, Base("org/tiny", "abc")) == 2
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    assert config(folder) == {
        "base_model_name_or_path": "org/tiny",
        "r": 8,
        "revision": "abc",
    }
    # The store's own file is unchanged.
    artifacts, _ = stored
    artifacts.read_file(KEY, "adapter_config.json", tmp_path / "adapter_config.json")
    assert config(tmp_path) == CONFIG


def test_the_base_of_another_location_stays_unnamed(
    stored: tuple[ArtifactStore, Manifest], tmp_path: Path
) -> None:
    write_model(*stored, tmp_path / "out", Base(None, None))
    assert config(tmp_path / "out") == CONFIG
