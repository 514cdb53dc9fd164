"""Checkpoints of trainings, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isheep.store.checkpoints import CheckpointStore
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.work import all_work, work_folder

FOLDER = work_folder("ns", "k") + "attempt-1/"


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
    checkpoints = CheckpointStore(store, "ns", attempt=1)
    assert checkpoints.steps("k") == []
    for step in (5, 10, 100):
        checkpoints.save("k", step, checkpoint(step), {"worldSize": 1})
    assert checkpoints.steps("k") == [100, 10]
    assert {i.key.split("/")[4] for i in store.list(FOLDER)} == {"step-10", "step-100"}
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
    checkpoints = CheckpointStore(store, "ns", attempt=1)
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
    checkpoints = CheckpointStore(store, "ns", attempt=1)
    checkpoints.save("k", 10, checkpoint(10), {})
    store.put(f"{FOLDER}step-10/weights", b"W10")
    with pytest.raises(StoreCorruptError, match=r"step-10/weights .* is damaged.*rm "):
        checkpoints.restore("k", 10, tmp_path / "out")
    store.delete(f"{FOLDER}step-10/weights")
    with pytest.raises(StoreCorruptError, match=r"step-10/weights is missing"):
        checkpoints.restore("k", 10, tmp_path / "out")


def test_an_attempt_resumes_from_the_newest_checkpoint_of_any_attempt(
    store: ObjectStore, checkpoint: Callable[[int], Path], tmp_path: Path
) -> None:
    first, second = (CheckpointStore(store, "ns", attempt=n) for n in (1, 2))
    for step in (10, 20):
        first.save("k", step, checkpoint(step), {"attempt": 1})
    assert second.steps("k") == [20, 10]
    assert second.restore("k", 20, tmp_path / "out").context == {"attempt": 1}
    second.save("k", 30, checkpoint(30), {"attempt": 2})
    assert second.steps("k") == first.steps("k") == [30, 20]


def test_a_lost_trainer_that_comes_back_harms_no_checkpoint_of_the_next_attempt(
    store: ObjectStore, checkpoint: Callable[[int], Path], tmp_path: Path
) -> None:
    lost, second = (CheckpointStore(store, "ns", attempt=n) for n in (1, 2))
    lost.save("k", 10, checkpoint(10), {"attempt": 1})
    second.save("k", 20, checkpoint(20), {"attempt": 2})
    # The lost trainer is ahead. It saves two steps, and deletes its older one only.
    for step in (30, 40):
        lost.save("k", step, checkpoint(step), {"attempt": 1})
    assert second.steps("k") == [40, 30, 20]
    second.save("k", 21, checkpoint(21), {"attempt": 2})
    assert second.restore("k", 40, tmp_path / "out").step == 40


def test_a_step_that_two_attempts_have_stored_is_read_from_the_one_that_is_whole(
    store: ObjectStore, checkpoint: Callable[[int], Path], tmp_path: Path
) -> None:
    for attempt in (1, 2):
        saved = CheckpointStore(store, "ns", attempt=attempt)
        folder = checkpoint(10) if attempt == 1 else tmp_path / "step-10"
        saved.save("k", 10, folder, {"attempt": attempt})
    third = CheckpointStore(store, "ns", attempt=3)
    assert third.steps("k") == [10]
    assert third.restore("k", 10, tmp_path / "newest").context == {"attempt": 2}
    store.put(f"{work_folder('ns', 'k')}attempt-2/step-10/weights", b"half")
    assert third.restore("k", 10, tmp_path / "whole").context == {"attempt": 1}
    third.delete("k")
    assert list(store.list(all_work("ns"))) == []


def test_checkpoints_of_versions_without_attempts_are_read_and_replaced(
    store: ObjectStore, checkpoint: Callable[[int], Path], tmp_path: Path
) -> None:
    written = CheckpointStore(store, "ns", attempt=0)
    written.save("k", 10, checkpoint(10), {})
    assert {i.key for i in store.list(work_folder("ns", "k"))} == {
        f"{work_folder('ns', 'k')}step-10/{name}"
        for name in ("weights", "deep/optimizer", "manifest.json")
    }
    now = CheckpointStore(store, "ns", attempt=1)
    assert now.steps("k") == [10]
    now.restore("k", 10, tmp_path / "out")
    assert (tmp_path / "out" / "weights").read_bytes() == b"w10"
    for step in (20, 30):
        now.save("k", step, checkpoint(step), {})
    assert not [i.key for i in store.list(f"{work_folder('ns', 'k')}step-10/")]
