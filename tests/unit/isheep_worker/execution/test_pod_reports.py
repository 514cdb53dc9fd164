"""The reports of the pods of one Job: what others read, and when a report is too old."""

from __future__ import annotations

from pathlib import Path

import pytest

from isheep.store.folder import FolderStore
from isheep.store.interface import StoreUnreachableError
from isheep.store.work import all_work
from isheep_worker.execution.pod_reports import PodReport, PodReports, reports_folder

FOLDER = reports_folder("ns", "c" * 64, 2)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reports(store: FolderStore, pod: int, clock: Clock | None = None) -> PodReports:
    # The thread writes nothing within a test.
    return PodReports(store, FOLDER, pod, clock=clock or Clock(), beat_seconds=3600)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def test_a_pod_reads_the_reports_of_the_others(store: FolderStore) -> None:
    first, second = reports(store, 0), reports(store, 1)
    first.state("key", {3, 1})
    second.state("other", waiting=True)
    assert first.others() == [PodReport(1, "other", frozenset(), waiting=True)]
    assert second.others() == [PodReport(0, "key", frozenset({1, 3}), waiting=False)]
    first.close()
    second.close()
    assert list(store.list(all_work("ns"))) == []


def test_a_report_without_a_change_becomes_too_old_on_the_clock_of_the_reader(
    store: FolderStore,
) -> None:
    clock = Clock()
    writer, reader = reports(store, 0), reports(store, 1, clock)
    writer.state("key", {0})
    assert len(reader.others()) == 1
    clock.now += 59
    assert len(reader.others()) == 1
    clock.now += 1
    assert reader.others() == []
    # The writer runs after all, for example because its node was suspended.
    writer.state("key", {0})
    assert len(reader.others()) == 1
    writer.close()


def test_reports_of_another_attempt_and_damaged_reports_are_not_read(store: FolderStore) -> None:
    other = PodReports(store, reports_folder("ns", "c" * 64, 1), 0, beat_seconds=3600)
    other.state("key", {0})
    store.put(f"{FOLDER}5.json", b"{half")
    store.put(f"{FOLDER}6.json", b"[]")
    assert reports(store, 1).others() == []
    other.close()


def test_the_thread_repeats_the_report(store: FolderStore) -> None:
    writer = PodReports(store, FOLDER, 0, beat_seconds=0.01)
    writer.state("key")
    first = store.get(f"{FOLDER}0.json")
    for _ in range(1000):
        if store.get(f"{FOLDER}0.json") != first:
            break
        writer._closed.wait(0.01)
    else:
        raise AssertionError("the report was not repeated")
    writer.close()


def test_a_report_that_cannot_be_stored_is_a_warning(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreUnreachableError("no answer")

    monkeypatch.setattr(store, "put", fail)
    writer = reports(store, 0)
    writer.state("key")
    writer.close()
    assert "the report of this pod is not stored: no answer" in caplog.text
