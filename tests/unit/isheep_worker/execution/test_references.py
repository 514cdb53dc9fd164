from __future__ import annotations

import logging

import pytest

from isheep.contract.order import RunRef
from isheep.store.folder import FolderStore
from isheep.store.interface import StoreUnreachableError
from isheep_worker.execution.references import note_use

RUN = RunRef(namespace="default", name="demo", uid="uid-1")


def test_a_run_references_the_stages_that_it_uses(tmp_path) -> None:
    store = FolderStore(tmp_path)
    for _ in range(2):
        note_use(store, RUN, ["aa", "bb"])
    found = [info.key for info in store.list("default/refs/")]
    assert found == ["default/refs/aa/uid-1", "default/refs/bb/uid-1"]


def test_a_reference_that_cannot_be_stored_is_a_warning(
    tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    class Unreachable(FolderStore):
        def put(self, key, *_, **__):
            tried.append(key)
            raise StoreUnreachableError("no answer")

    with caplog.at_level(logging.WARNING):
        note_use(Unreachable(tmp_path), RUN, ["aa", "bb"])
    assert tried == ["default/refs/aa/uid-1"]
    assert "stage aa is not stored: no answer" in caplog.text
