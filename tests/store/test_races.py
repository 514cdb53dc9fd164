"""Twelve processes that write the same key, and writers that are killed."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.store import open_store
from isheep.store.folder import FolderStore

RACER = Path(__file__).with_name("racer.py")
RACERS = [f"racer-{number}" for number in range(12)]


def _race(spec: StoreSpec, verb: str) -> dict[str, str]:
    """Start all writers at the same time and return the outcome of each."""
    command = [sys.executable, str(RACER), "race", spec.model_dump_json(), verb, *RACERS]
    finished = subprocess.run(command, stdout=subprocess.PIPE, timeout=120, check=True)
    outcomes: dict[str, str] = json.loads(finished.stdout)
    return outcomes


def test_exactly_one_of_twelve_writers_of_a_key_succeeds(spec: StoreSpec) -> None:
    outcomes = _race(spec, "put")
    winners = [name for name, outcome in outcomes.items() if outcome == "Written"]
    assert len(winners) == 1
    assert list(outcomes.values()).count("Existed") == 11
    store = open_store(spec)
    info = store.head("raced")
    assert info is not None
    assert store.get("raced").decode() == info.metadata["writer"] == winners[0]
    assert [info.key for info in store.list("")] == ["raced"]


def test_twelve_concurrent_commits_adopt_the_same_manifest(spec: StoreSpec) -> None:
    adopted = _race(spec, "commit")
    assert len(set(adopted.values())) == 1
    assert set(adopted.values()) <= set(RACERS)


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_writer_leaves_no_incomplete_object(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "store"
    spec = StoreSpec(folder=FolderStoreSpec(path=str(root)))
    command = [sys.executable, str(RACER), "flood", spec.model_dump_json()]
    racer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert racer.stdout is not None
    assert racer.stdout.readline() == "ready\n"
    time.sleep(0.1 + random.Random(seed).random() * 0.3)
    racer.kill()
    racer.communicate()

    store = FolderStore(root)
    keys = [info.key for info in store.list("")]
    assert any(key.startswith("flood/a") for key in keys)
    for key in keys:
        info = store.head(key)
        assert info is not None
        body = store.get(key)
        assert len(body) == info.size
        assert len(set(body.split(b"killed "))) == 2  # "" and one complete number
        if key.startswith("flood"):
            assert info.metadata == {"sha256": hashlib.sha256(body).hexdigest()}

    later = FolderStore(root, clock=lambda: time.time() + 2 * 24 * 3600)
    before = {key: store.get(key) for key in keys}
    for folder in ("flood", "plain"):
        later.put(f"{folder}/last", b"", metadata={"a": "b"})
    assert {key: later.get(key) for key in keys} == before
    published = [key for key in keys if key.startswith("flood")] + ["flood/last", "plain/last"]
    private = [path for path in root.rglob("*") if path.parent.name == ".objects"]
    assert len(private) == 2 * len(published)
