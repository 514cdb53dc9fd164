"""The end of a run's life, and its place among the runs of its namespace."""

from __future__ import annotations

import time
from datetime import datetime

from .harness.concurrent_tests import OperatorFactory
from .harness.invariants import conditions_of, is_finished
from .harness.namespace_fixture import NamespaceFixture
from .harness.observer import JOBS, RUNS
from .harness.operator_process import SHORT_WAITS
from .harness.pod_behaviour import Hold, Work
from .harness.runs import Run

FROM_TRAIN = Run().skip_to("i1/train")
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps"}


def expiring(namespace: NamespaceFixture, run: str) -> tuple[str, str]:
    found = conditions_of(namespace.run(run)).get("Expiring", {})
    return str(found.get("status")), str(found.get("reason"))


def warnings(namespace: NamespaceFixture, run: str, reason: str) -> list[str]:
    return [text for kind, why, text in namespace.events(run) if (kind, why) == ("Warning", reason)]


def test_a_finished_run_is_deleted_after_its_time_to_live(operators: OperatorFactory) -> None:
    patches = {**SHORT_WAITS, "isheep.kube.passes.refusals:KEPT_SECONDS": 3.0}
    environment, namespace = operators(ttl={"enabled": True}, patches=patches)
    # The rights are missing at first, as with a chart that somebody has changed.
    namespace.may_be_forbidden = True
    environment.start()
    namespace.create(FROM_TRAIN.spec(ttlSecondsAfterFinished=4))
    namespace.create(FROM_TRAIN.named("tracked").labelled(**FLUX).spec(ttlSecondsAfterFinished=0))
    for name in ("run", "tracked"):
        namespace.until_phase("Succeeded", name)
    assert expiring(namespace, "run") == ("True", "Finished")
    namespace.until(lambda: warnings(namespace, "run", "RunNotDeleted"))
    namespace.cluster.rights.grant_namespace(namespace.name, "--set", "ttl.enabled=true")
    versions = namespace.history()
    namespace.until(lambda: "run" not in namespace.cluster.observer.latest(RUNS, namespace.name))
    namespace.until(lambda: not namespace.jobs())
    assert len(warnings(namespace, "run", "RunNotDeleted")) == 1
    completed = datetime.fromisoformat(versions[-1]["status"]["completionTime"])
    deleted = namespace.history()[-1]["metadata"].get("deletionTimestamp")
    assert deleted is None or (datetime.fromisoformat(deleted) - completed).total_seconds() >= 4
    # Flux would create the other run again.
    assert expiring(namespace, "tracked") == ("False", "TtlTracked")
    (text,) = warnings(namespace, "tracked", "TtlTracked")
    assert "kustomize.toolkit.fluxcd.io/name" in text


def test_an_installation_that_does_not_delete_runs_says_so(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN.spec(ttlSecondsAfterFinished=0))
    namespace.until_phase("Succeeded")
    assert expiring(namespace, "run") == ("False", "TtlDisabled")
    (text,) = namespace.until(lambda: warnings(namespace, "run", "TtlDisabled"))
    assert "ttl.enabled" in text
    # The field is no data: an edit of it starts no Job, and the run ends again at once.
    before = namespace.started()
    namespace.edit(ttlSecondsAfterFinished=600)
    namespace.until_phase("Succeeded")
    assert namespace.started() == before


def test_a_namespace_has_no_more_working_runs_than_the_limit(operators: OperatorFactory) -> None:
    environment, namespace = operators(limits={"runsPerNamespace": 1}, workers=4)
    namespace.workers.set_behaviour("train", Hold(), Work())
    environment.start()
    namespace.create(FROM_TRAIN.named("first"))
    namespace.until_running("i1/train", "first")
    for number, name in enumerate(("second", "third")):
        # Two runs of the same second have the order of their UIDs.
        time.sleep(1.1)
        namespace.create(FROM_TRAIN.named(name).spec(randomSeed=number + 1))
        namespace.until_reason("RunLimit", name)
    assert "and 1 works: first" in namespace.message("second")
    assert "is 2 in the queue, after second" in namespace.message("third")
    assert not namespace.jobs("second")
    # A suspended run frees its place as soon as its pods are gone, and waits when it is resumed.
    namespace.edit("first", suspend=True)
    namespace.until_phase("Succeeded", "second")
    namespace.until_phase("Succeeded", "third")
    namespace.edit("first", suspend=False)
    namespace.until_phase("Succeeded", "first")
    assert most_working(namespace) == 1


def most_working(namespace: NamespaceFixture) -> int:
    """Return the most runs that had a Job at the same time, from the history of the Jobs."""
    working: dict[str, str] = {}
    most = 0
    for version in sorted(
        namespace.cluster.observer.history(JOBS, namespace.name), key=lambda one: one.number
    ):
        working[version.uid] = version.document["metadata"]["labels"]["isheep.dev/run"]
        if version.deleted or is_finished(version.document):
            working.pop(version.uid, None)
        most = max(most, len(set(working.values())))
    return most
