"""Objects that cannot be read: they are reported once, and counted until they are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from isheep.kube.cache.unreadable import Unreadable


def document(uid: str, namespace: str = "ns", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "namespace": namespace, "name": f"job-{uid}"}, **fields}


def number(found: Mapping[str, Any]) -> int | None:
    """Parse an object, as a parser of records does."""
    return None if found["number"] == "none" else int(found["number"])


def test_one_object_that_cannot_be_read_keeps_no_other_one_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unreadable = Unreadable()
    documents = [document("a", number="1"), document("b", number="1" * 5000), document("c")]
    documents += [document("d", number="2"), document("e", number="none")]
    for _ in range(2):
        found = [unreadable.read("jobs", one, number) for one in documents]
        assert found == [1, None, None, 2, None]
    assert unreadable.uids("jobs") == {"b", "c"}
    assert Counter(unreadable.counts()) == {("jobs", "ns"): 2}
    # Each one is reported once.
    fields = [vars(record)["isheep_fields"] for record in caplog.records]
    assert [one["name"] for one in fields] == ["job-b", "job-c"]


def test_an_object_that_can_be_read_again_or_is_gone_is_forgotten() -> None:
    unreadable = Unreadable()
    for uid, namespace in (("a", "ns"), ("b", "ns"), ("c", "other"), ("d", "ns")):
        unreadable.read("jobs", document(uid, namespace), number)
    unreadable.read("runs", document("a"), number)
    unreadable.read("jobs", document("a", number="1"), number)
    unreadable.drop("jobs", "b")
    unreadable.keep("jobs", "ns", ())
    assert sorted(unreadable.counts()) == [("jobs", "other"), ("runs", "ns")]
    unreadable.keep("jobs", None, ())
    unreadable.keep("runs", None, ("a",))
    assert list(unreadable.counts()) == [("runs", "ns")]
