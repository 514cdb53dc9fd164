from datetime import UTC, datetime, timedelta

import pytest

from isheep.api.run import RETRY_ANNOTATION
from isheep.api.status import Condition, SelfAlignmentRunStatus
from isheep.local.stored_run import StoredRun
from isheep.store.folder import FolderStore
from isheep.store.interface import StoreCorruptError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SPEC = {"recipe": "ISheep", "iterations": 2, "model": {"storageUri": "hf://a/b"}}


@pytest.fixture
def stored(tmp_path):
    return StoredRun(FolderStore(tmp_path), "default", "lamb")


def test_a_new_run_is_generation_1_and_is_read_back_as_submitted(stored):
    assert stored.read() is None
    view = stored.submit(SPEC, {"a": "b"}, NOW)
    assert (view.generation, view.created, view.spec) == (1, NOW, SPEC)
    assert stored.read() == view


def test_only_a_changed_spec_is_a_new_generation(stored):
    later = NOW + timedelta(hours=1)
    stored.submit(SPEC, {}, NOW)
    assert stored.submit(SPEC, {"note": "x"}, later).generation == 1
    edited = stored.submit({**SPEC, "iterations": 3}, {}, later)
    assert (edited.generation, edited.created) == (2, NOW)
    assert stored.submit({**SPEC, "iterations": 3}, {}, later).generation == 2


def test_a_preview_writes_nothing(stored):
    assert stored.preview(SPEC, {}, NOW).generation == 1
    assert stored.read() is None


@pytest.mark.parametrize(
    ("conditions", "retried"),
    [
        ({"Failed": "True", "Stalled": "True"}, True),
        ({"Stalled": "True"}, True),
        ({"Complete": "True", "Evaluated": "False"}, True),
        ({"Complete": "True"}, False),
        ({"Reconciling": "True"}, False),
        ({"Reconciling": "True", "Evaluated": "False"}, False),
    ],
)
def test_the_submission_of_a_run_that_can_be_retried_requests_a_retry(stored, conditions, retried):
    stored.submit(SPEC, {}, NOW)
    found = tuple(
        Condition(type=type_, status=status, reason="Why", last_transition_time=NOW)
        for type_, status in conditions.items()
    )
    stored.write_status(SelfAlignmentRunStatus(observed_generation=1, conditions=found))
    assert (RETRY_ANNOTATION in stored.submit(SPEC, {}, NOW).annotations) is retried


def test_the_uid_depends_on_the_store_the_namespace_and_the_name_only(tmp_path):
    uids = {
        StoredRun(FolderStore(tmp_path / place), namespace, name).ref.uid
        for place in ("x", "y")
        for namespace in ("default", "team")
        for name in ("lamb", "ewe")
    }
    assert len(uids) == 8
    again = StoredRun(FolderStore(tmp_path / "x"), "default", "lamb").ref.uid
    assert again in uids


@pytest.mark.parametrize("content", [b"{", b"[]", b"null", b'{"generation": "x"}'])
def test_the_error_for_a_damaged_document_names_its_place_and_the_remedy(stored, tmp_path, content):
    FolderStore(tmp_path).put("default/runs/lamb/run.json", content)
    with pytest.raises(StoreCorruptError, match=r"default/runs/lamb/run.json is damaged. Delete"):
        stored.read()


@pytest.mark.parametrize("content", [b"{", b"[1]", b"null", b'{"stages": [1]}'])
def test_the_error_for_a_damaged_status_names_the_status(stored, tmp_path, content):
    stored.submit({"recipe": "ISheep"}, {}, datetime(2025, 1, 1, tzinfo=UTC))
    FolderStore(tmp_path).put("default/runs/lamb/status.json", content)
    with pytest.raises(StoreCorruptError, match=r"default/runs/lamb/status.json is damaged"):
        stored.read()
