"""Documents of runs and references to stages, on both stores."""

from __future__ import annotations

from isheep.contract.order import RunRef
from isheep.store.documents import RunDocuments
from isheep.store.interface import ObjectStore

KEY = "0123abcd"
RUN = RunRef(namespace="ns", name="run", uid="uid-1")


def test_a_run_stores_documents_and_one_reference_to_a_stage(store: ObjectStore) -> None:
    documents = RunDocuments(store, RUN)
    assert documents.read("report.html") is None
    documents.write("report.html", b"one")
    documents.write("report.html", b"two")
    assert documents.read("report.html") == b"two"
    documents.add_ref(KEY)
    documents.add_ref(KEY)
    assert [i.key for i in store.list("ns/refs/")] == [f"ns/refs/{KEY}/uid-1"]
