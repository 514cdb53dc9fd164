"""Which runs a list of objects shows, and which references prove that a run was deleted."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.contract.order import RunRef
from isheep.local.cluster_runs import cluster_runs
from isheep.store.documents import Reference

KEY = "a" * 64


def run(name: str, phase: str | None, *, generation: int = 1, **status: Any) -> dict[str, Any]:
    fields = {"phase": phase, "observedGeneration": 1, **status}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "generation": generation},
        "spec": {"model": {"storageUri": f"s3://bucket/ns/stages/{'b' * 64}"}},
        "status": {} if phase is None else fields,
    }


def reference(name: str, cluster: str | None) -> Reference:
    return Reference(
        "place", KEY, RunRef(namespace="ns", name=name, uid=f"uid-{name}", cluster=cluster)
    )


PREPARED = {"stages": [{"id": "prepare", "key": KEY, "committed": True}]}
UNPREPARED = {"stages": [{"id": "prepare", "key": KEY, "committed": False}]}


@pytest.mark.parametrize(
    ("document", "at_work", "unprepared"),
    [
        (run("a", "Succeeded", **PREPARED), False, False),
        (run("a", "Failed", **UNPREPARED), False, False),
        (run("a", "Running", **PREPARED), True, False),
        (run("a", "Stalled", **PREPARED), True, False),
        # A suspended run goes on later with the stages that it has found.
        (run("a", "Suspended", **PREPARED), True, False),
        (run("a", "Suspended"), True, True),
        (run("a", "Running", **UNPREPARED), True, True),
        # The operator has not seen the newest edit, which may name other stages.
        (run("a", "Succeeded", generation=2, **PREPARED), True, True),
        (run("a", None), True, True),
    ],
)
def test_a_run_that_has_not_ended_is_known(
    document: dict[str, Any], at_work: bool, unprepared: bool
) -> None:
    found = cluster_runs([document])
    assert found.names == {"uid-a": "a"}
    assert found.at_work == (("a",) if at_work else ())
    assert found.unprepared == (("a",) if unprepared else ())


def test_the_keys_in_spec_and_status_are_found() -> None:
    assert cluster_runs([run("a", "Succeeded", **PREPARED)]).keys == {KEY, "b" * 64}


@pytest.mark.parametrize(
    ("living", "gone", "deleted"),
    [
        (["x"], "x", {"uid-gone"}),
        (["x"], "y", set()),
        (["x"], None, set()),
        ([None], None, set()),
        ([], "x", set()),
        # The Lease was created again meanwhile.
        (["y", "x"], "y", {"uid-gone"}),
    ],
)
def test_only_a_reference_of_the_same_installation_proves_a_deletion(
    living: list[str | None], gone: str | None, deleted: set[str]
) -> None:
    names = [f"here-{number}" for number in range(len(living))]
    found = cluster_runs(run(name, "Succeeded") for name in names)
    references = [reference(name, one) for name, one in zip(names, living, strict=True)]
    assert found.deleted([*references, reference("gone", gone)]) == deleted
