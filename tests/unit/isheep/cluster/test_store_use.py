import pytest

from isheep.cluster.client import Cluster
from isheep.cluster.errors import ForbiddenError
from isheep.cluster.store_use import STORE_REASONS, check_store, store_finding
from isheep.contract.reasons import Reason

STORAGE = {"s3": {"bucket": "bucket", "prefix": "p", "secretRef": {"name": "s3"}}}
SPEC = {"storage": STORAGE}
COMMITTED = [{"id": "prepare", "key": "a", "committed": True}]
STARTED = [{"id": "prepare", "key": "a"}]


def run(name, created="2030-01-01T00:00:00Z", *, spec=SPEC, stages=COMMITTED, condition=None):
    status = {"stages": stages, "conditions": [condition] if condition else []}
    metadata = {"name": name, "creationTimestamp": created}
    return {"metadata": metadata, "spec": spec, "status": status}


def failed(reason, message="no answer;\nopen the network"):
    return {"type": "Ready", "status": "False", "reason": reason, "message": message}


def text(*runs, spec=SPEC):
    return str(store_finding(spec, runs, "team-a"))


def test_a_committed_stage_shows_that_pods_have_written_to_the_store():
    assert text(run("lamb")) == "ok       store: pods of run lamb have written to s3://bucket/p"


@pytest.mark.parametrize("reason", sorted(STORE_REASONS))
def test_a_run_that_cannot_use_its_store_has_the_message_of_its_condition(reason):
    found = text(run("lamb", condition=failed(reason)))
    message = "pods of run lamb cannot use it: no answer; open the network"
    assert found == f"failed   store: {message}"


def test_every_reason_about_a_store_counts():
    named = {one for one in Reason if one.startswith("Store") or one.endswith("Storage")}
    assert named == STORE_REASONS


def test_the_newest_run_with_the_same_store_counts():
    old = run("old", condition=failed(Reason.STORE_REFUSED))
    new = run("new", "2030-01-02T00:00:00Z")
    starting = run("starting", "2030-01-03T00:00:00Z", stages=STARTED)
    assert "run new have written" in text(old, new, starting)
    assert "run new have written" in text(starting, new, old)


@pytest.mark.parametrize(
    "other",
    [
        {"storage": {"s3": {**STORAGE["s3"], "prefix": "q"}}},
        {"storage": {"s3": {"bucket": "bucket", "prefix": "p"}}},
        {"storage": STORAGE, "serviceAccountName": "trainer"},
        {},
    ],
)
def test_a_run_with_another_store_or_another_identity_shows_nothing(other):
    found = text(run("lamb", spec=other), run("ewe", stages=STARTED))
    assert found == (
        "unknown  store: no run of namespace team-a has used s3://bucket/p with this "
        "ServiceAccount; submit the run: its first stage checks the store from a pod"
    )


def test_defaults_that_the_api_server_has_added_do_not_matter():
    stored = {"storage": {"s3": {**STORAGE["s3"], "addressing": "Virtual", "newer": 1}}}
    assert "ok " in text(run("lamb", spec=stored))


def test_the_default_store_is_named_as_such():
    assert "written to the store of the chart's values" in text(run("lamb", spec={}), spec={})


def test_without_the_right_to_read_runs_it_is_unknown(monkeypatch):
    def forbidden(*_, **__):
        raise ForbiddenError("no")

    monkeypatch.setattr(Cluster, "runs", forbidden)
    finding = check_store(Cluster(None, "team-a"), SPEC)
    assert str(finding) == "unknown  store: you have no right to read the runs of namespace team-a"
