"""The pod failure policy: which failures are ignored, retried, or fail the Job at once."""

from __future__ import annotations

import pytest

from isheep.kube.cache.records import job_record
from isheep.kube.job_building.pod_failure_policy import RETRIES_PER_INDEX, failure_fields

from ..builders import CREATED, a_start
from ..job_documents import job_for, training_start

STORED = {"uid": "u", "resourceVersion": "1", "creationTimestamp": CREATED}


def test_a_failed_node_fails_the_job_of_a_training() -> None:
    job = job_for(training_start(4, attempt=2))
    assert job["spec"]["backoffLimit"] == 0
    absent = {"podFailurePolicy", "backoffLimitPerIndex", "maxFailedIndexes"}
    assert absent.isdisjoint(job["spec"])
    assert job_record({**job, "metadata": {**job["metadata"], **STORED}}).together


def test_each_index_is_retried_three_times_if_the_pods_do_not_train_together() -> None:
    job = job_for(a_start("train"))
    assert job["spec"]["backoffLimitPerIndex"] == RETRIES_PER_INDEX == 3
    assert job["spec"]["maxFailedIndexes"] == 0
    # The API server sets this default of an Indexed Job with backoffLimitPerIndex.
    job["spec"]["backoffLimit"] = 2147483647
    assert not job_record({**job, "metadata": {**job["metadata"], **STORED}}).together


def test_a_disruption_is_ignored_with_any_exit_code() -> None:
    """Kubernetes applies the first rule that matches."""
    first, *_ = failure_fields(trains_together=False)["podFailurePolicy"]["rules"]
    assert first["action"] == "Ignore"
    assert first["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


@pytest.mark.parametrize(
    ("code", "action"),
    [(64, "FailJob"), (70, "FailJob"), (80, "FailJob"), (143, "Ignore"), (69, None), (74, None)],
)
def test_an_exit_code_decides_the_action(code: int, action: str | None) -> None:
    """An exit code without a rule counts as a failure of its index."""
    rules = failure_fields(trains_together=False)["podFailurePolicy"]["rules"]
    matching = [r for r in rules if code in r.get("onExitCodes", {}).get("values", ())]
    assert [rule["action"] for rule in matching] == ([] if action is None else [action])
