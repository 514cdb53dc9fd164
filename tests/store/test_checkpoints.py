"""Checkpoints of trainings, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isheep.store.checkpoints import CheckpointStore
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.work import all_work, work_folder

FOLDER = work_folder("ns", "k")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[[int], Path]:
    def make(step: int) -> Path:
        folder = tmp_path / f"step-{step}"
        (folder / "deep").mkdir(parents=True)
        (folder / "weights").write_bytes(b"w%d" % step)
        (folder / "deep" / "optimizer").write_bytes(b"o%d" % step)
        return folder

    return make


def test_the_newest_two_checkpoints_are_kept(
    store: ObjectStore, checkpoint: Callable[[int], Path], tmp_path: Path
) -> None:
    checkpoints = CheckpointStore(store, "ns")
    assert checkpoints.steps("k") == []
    for step in (5, 10, 100):
        checkpoints.save("k", step, checkpoint(step), {"worldSize": 1})
    assert checkpoints.steps("k") == [100, 10]
    assert {i.key.split("/")[3] for i in store.list(FOLDER)} == {"step-10", "step-100"}
    manifest = checkpoints.restore("k", 100, tmp_path / "out")
    assert manifest.context == {"worldSize": 1}
    assert (tmp_path / "out" / "weights").read_bytes() == b"w100"
    assert (tmp_path / "out" / "deep" / "optimizer").read_bytes() == b"o100"
    checkpoints.delete("k")
    assert list(store.list(all_work("ns"))) == []


def test_an_unfinished_checkpoint_does_not_exist(
    store: ObjectStore, checkpoint: Callable[[int], Path], tmp_path: Path
) -> None:
    """A trainer is killed during the uploads of steps 20 and 30, and later saves both."""
    checkpoints = CheckpointStore(store, "ns")
    checkpoints.save("k", 10, checkpoint(10), {})
    for step in (20, 30):
        store.put(f"{FOLDER}step-{step}/weights", b"half")
        store.put(f"{FOLDER}step-{step}/stale", b"half")
    assert checkpoints.steps("k") == [10]
    checkpoints.save("k", 20, checkpoint(20), {})
    assert checkpoints.steps("k") == [20, 10]
    assert {i.name for i in checkpoints.manifest("k", 20).files} == {"weights", "deep/optimizer"}
    checkpoints.save("k", 30, checkpoint(30), {})
    checkpoints.restore("k", 30, tmp_path / "out")
    assert not (tmp_path / "out" / "stale").exists()
    with pytest.raises(NoSuchKeyError):
        checkpoints.manifest("k", 10)


def test_a_damaged_checkpoint_is_an_error(
    store: ObjectStore, checkpoint: Callable[[int], Path], tmp_path: Path
) -> None:
    checkpoints = CheckpointStore(store, "ns")
    checkpoints.save("k", 10, checkpoint(10), {})
    store.put(f"{FOLDER}step-10/weights", b"W10")
    with pytest.raises(StoreCorruptError, match=r"step-10/weights .* is damaged.*rm "):
        checkpoints.restore("k", 10, tmp_path / "out")
    store.delete(f"{FOLDER}step-10/weights")
    with pytest.raises(StoreCorruptError, match=r"step-10/weights is missing"):
        checkpoints.restore("k", 10, tmp_path / "out")
