from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from isheep.store.folder import FolderStore
from isheep.store.interface import StoreCorruptError
from isheep_worker.inputs.stored_inputs import Inputs


def test_an_input_is_read_by_its_digest(tmp_path: Path) -> None:
    inputs = Inputs(FolderStore(tmp_path), "default")
    digest = inputs.put(b"some tasks")
    assert digest == hashlib.sha256(b"some tasks").hexdigest() == inputs.put(b"some tasks")
    assert inputs.get(digest) == b"some tasks"


def test_a_damaged_or_missing_input_is_an_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    inputs = Inputs(store, "default")
    digest = inputs.put(b"some tasks")
    store.put(f"default/inputs/{digest}", b"other tasks")
    with pytest.raises(StoreCorruptError, match="damaged"):
        inputs.get(digest)
    store.delete(f"default/inputs/{digest}")
    with pytest.raises(StoreCorruptError, match="is missing from"):
        inputs.get(digest)
