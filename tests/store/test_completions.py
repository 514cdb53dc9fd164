"""The completions of open parts, on both stores."""

from __future__ import annotations

import pytest

from isheep.store.completions import CompletionStore
from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError
from isheep.store.work import all_work, work_folder


def test_lines_are_read_as_they_were_saved_until_they_are_deleted(store: ObjectStore) -> None:
    completions = CompletionStore(store, "ns", "k")
    assert completions.names() == []
    first = completions.save([b"a", b"\xc3\xa9"])
    second = completions.save([b"c"])
    assert completions.save([b"c"]) == second
    assert sorted(completions.names()) == sorted([first, second])
    assert completions.read(first) == [b"a", b"\xc3\xa9"]
    completions.delete(first)
    with pytest.raises(NoSuchKeyError):
        completions.read(first)
    completions.delete(first)
    completions.delete_all()
    assert list(store.list(all_work("ns"))) == []


def test_the_completions_of_another_stage_are_not_read(store: ObjectStore) -> None:
    CompletionStore(store, "ns", "k2").save([b"a"])
    completions = CompletionStore(store, "ns", "k")
    assert completions.names() == []
    completions.delete_all()
    assert len(CompletionStore(store, "ns", "k2").names()) == 1


def test_a_damaged_object_is_an_error(store: ObjectStore) -> None:
    completions = CompletionStore(store, "ns", "k")
    name = completions.save([b"a"])
    store.put(f"{work_folder('ns', 'k')}completions/{name}", b"b")
    with pytest.raises(StoreCorruptError, match="is damaged"):
        completions.read(name)
