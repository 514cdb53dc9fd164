"""Watch events, as kopf's handlers pass them on: also about objects that cannot be read."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from isheep.kube.config import OperatorConfig
from isheep.kube.process.operator import Operator

from ..fake_api_server import Json
from ..fake_cluster import FakeCluster, run_scenario

CONFIG = OperatorConfig.read({"workerImage": "image-1", "lease": {"namespace": "system"}})
RUN = "/apis/isheep.dev/v1alpha1/namespaces/ns/selfalignmentruns/run"


def with_events(check: Callable[[Operator, Json, Json], None]) -> None:
    """Call a check with an operator that has not started, a run and its Job."""

    async def scenario(cluster: FakeCluster) -> None:
        cluster.create_run()
        await cluster.operator.run_due_passes()
        (job,) = cluster.jobs()
        operator = Operator(CONFIG, {})
        run = copy.deepcopy(cluster.server.objects[RUN])
        check(operator, run, copy.deepcopy(cluster.job(job)))

    run_scenario(scenario)


def changed(document: Json, **fields: Any) -> Json:
    """Return the next version of an object with other fields."""
    metadata = document["metadata"]
    version = str(int(metadata["resourceVersion"]) + 1)
    return {**document, **fields, "metadata": {**metadata, "resourceVersion": version}}


def test_an_object_that_becomes_unreadable_stays_as_it_was_known_until_it_is_deleted() -> None:
    def check(operator: Operator, run: Json, job: Json) -> None:
        operator.run_event("ADDED", run)
        operator.job_event("ADDED", job)
        known = (list(operator._cache.runs), list(operator._cache.jobs))
        assert [len(records) for records in known] == [1, 1]
        broken_run = changed(run, status={"stages": [{"id": 7, "committed": True}, 8]})
        broken_job = changed(job, status={"active": "many"})
        operator.run_event("MODIFIED", broken_run)
        operator.job_event("MODIFIED", broken_job)
        assert (list(operator._cache.runs), list(operator._cache.jobs)) == known
        assert operator.unreadable() == {("selfalignmentruns", "ns"): 1, ("jobs", "ns"): 1}
        operator.run_event("DELETED", changed(broken_run))
        operator.job_event("DELETED", changed(broken_job))
        assert (len(operator._cache.runs), len(operator._cache.jobs)) == (0, 0)
        assert operator.unreadable() == {}

    with_events(check)


def test_the_run_of_another_manager_is_neither_kept_nor_reported() -> None:
    def check(operator: Operator, run: Json, _: Json) -> None:
        theirs = {**run, "spec": {**run["spec"], "managedBy": "example.com/other"}}
        for kind in ("ADDED", "MODIFIED", "DELETED"):
            operator.run_event(kind, theirs)
        assert (len(operator._cache.runs), operator.queued()) == (0, 0)
        assert operator.unreadable() == {}

    with_events(check)
