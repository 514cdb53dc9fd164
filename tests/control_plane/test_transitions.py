"""A run from Pending to its end: its phases, how it recovers, and its Events and conditions."""

from __future__ import annotations

import json
from typing import Any

from isheep.contract.order import parse_order

from .harness.invariants import conditions_of, steps_of
from .harness.namespace_fixture import NamespaceFixture
from .harness.observer import JOBS
from .harness.pod_behaviour import Exit, Hang, Work
from .harness.runs import Run

STAGES = [
    "prepare",
    "i1/generate/r1",
    "i1/curate/r1",
    "i1/respond",
    "i1/assess",
    "i1/select",
    "i1/train",
    "i1/merge",
    "i1/report",
]
FROM_TRAIN = Run().skip_to("i1/train")
"""prepare, train, merge, report."""


def true_conditions(run: dict[str, Any]) -> dict[str, str]:
    found = conditions_of(run)
    return {t: c["reason"] for t, c in found.items() if c["status"] == "True"}


def test_a_run_without_disturbances_has_one_job_for_each_stage_and_succeeds(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(Run())
    namespace.until_phase("Succeeded")
    assert namespace.started() == STAGES
    assert namespace.phases() == [None, "Pending", "Running", "Succeeded"]
    status = namespace.status()
    assert true_conditions(namespace.run()) == {"Ready": "Succeeded", "Complete": "Succeeded"}
    assert [(s["id"], s["attempts"], s["committed"]) for s in status["stages"]] == [
        (stage, 1, True) for stage in STAGES
    ]
    (history,) = status["history"]
    assert (history["completions"], history["accepted"], history["kept"]) == (1, 8, 3)
    assert status["progress"] == "1/1"
    assert status["modelUri"].startswith("s3://bucket/some/prefix/")
    assert status["completionTime"] >= status["startTime"]
    # The status has the results, so the operator deletes the Jobs.
    namespace.until(lambda: not namespace.jobs())
    namespace.until(lambda: not namespace.pods())


def test_events_report_the_commits_and_the_end_of_a_run(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    namespace.until(lambda: any(reason == "Succeeded" for _, reason, _ in namespace.events()))
    reported = [(kind, reason) for kind, reason, _ in namespace.events()]
    assert reported.count(("Normal", "Succeeded")) == 1
    committed = [message for _, reason, message in namespace.events() if reason == "StageCommitted"]
    assert [text.split()[0].rstrip(":,") for text in committed][-3:] == [
        "i1/train",
        "i1/merge",
        "i1/report",
    ]
    assert all(kind == "Normal" for kind, _ in reported)


def test_a_job_has_the_designed_owner_labels_policies_and_order(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", Hang())
    created = namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    job = namespace.until_job("i1/train")
    metadata, spec = job["metadata"], job["spec"]
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("SelfAlignmentRun", created["metadata"]["uid"])
    assert owner["controller"]
    assert owner["blockOwnerDeletion"]
    labels = {k: v for k, v in metadata["labels"].items() if k.startswith("isheep.dev/")}
    assert {k.removeprefix("isheep.dev/"): v for k, v in labels.items()}.items() >= {
        "run": "run",
        "run-uid": created["metadata"]["uid"],
        "stage": "train",
        "iteration": "1",
        "attempt": "1",
    }.items()
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "isheep-operator"
    assert metadata["name"].startswith("run-train-")
    policy = {
        "completionMode": "Indexed",
        "completions": 1,
        "parallelism": 1,
        "backoffLimitPerIndex": 3,
        "maxFailedIndexes": 0,
        "podReplacementPolicy": "Failed",
    }
    assert {key: spec[key] for key in policy} == policy
    rules = spec["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "FailJob", "Ignore"]
    assert rules[1]["onExitCodes"]["values"] == [64, 70, 80]
    assert rules[2]["onExitCodes"]["values"] == [143]
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    environment = {one["name"]: one.get("value") for one in container["env"]}
    text = environment["ISHEEP_ORDER"].replace("$$", "$")
    order = parse_order(text, environment["ISHEEP_ORDER_SHA256"])
    assert [(step.id, step.key) for step in order.steps] == steps_of(job)
    assert metadata["annotations"]["isheep.dev/order-sha256"] == environment["ISHEEP_ORDER_SHA256"]
    assert (environment["ISHEEP_WORKERS"], environment["ISHEEP_HTTP_PORT"]) == ("1", "8080")
    assert environment["ISHEEP_IMAGE"] == container["image"]


def test_text_in_the_form_of_a_variable_reaches_the_worker_unchanged(
    namespace: NamespaceFixture,
) -> None:
    uri = "s3://bucket/$(HOME)/$$/seeds.jsonl"
    namespace.create(Run().spec(seedTasks={"storageUri": uri}).skip_to("i1/report"))
    namespace.until_phase("Succeeded")
    job = namespace.until_job("prepare")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    text = next(e["value"] for e in container["env"] if e["name"] == "ISHEEP_ORDER")
    assert "$$(HOME)/$$$$/seeds.jsonl" in text
    assert order_of(job)["sources"]["seedTasks"] == uri


def test_suspend_stops_the_pods_and_resume_continues_after_the_last_commit(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", Hang(), Work())
    namespace.create(FROM_TRAIN)
    namespace.until_running("i1/train")
    namespace.edit(suspend=True)
    namespace.until_phase("Suspended")
    assert true_conditions(namespace.run()) == {"Suspended": "Suspended"}
    namespace.until(lambda: not namespace.jobs(finished=False))
    namespace.until(lambda: not namespace.pods())
    assert "startTime" not in namespace.status()
    namespace.edit(suspend=False)
    namespace.until_phase("Succeeded")
    assert namespace.started() == ["prepare", "i1/train", "i1/train", "i1/merge", "i1/report"]


def test_a_run_that_is_created_suspended_starts_no_job(namespace: NamespaceFixture) -> None:
    namespace.create(Run().spec(suspend=True))
    namespace.until_phase("Suspended")
    namespace.until_quiet()
    assert namespace.jobs_created() == []
    assert namespace.phases() == [None, "Suspended"]


def test_a_missing_input_stalls_the_run_until_the_input_exists(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour(
        "prepare", Exit(64, reason="ModelNotFound", message="org/model is not")
    )
    namespace.create(FROM_TRAIN)
    stalled = namespace.until_phase_seen("Stalled")
    assert true_conditions(stalled) == {"Stalled": "ModelNotFound"}
    assert "org/model is not" in conditions_of(stalled)["Ready"]["message"]
    namespace.until(lambda: namespace.started().count("prepare") > 1)
    namespace.workers.let_work("prepare")
    namespace.until_phase("Succeeded")
    assert ("Warning", "ModelNotFound") in [(k, r) for k, r, _ in namespace.events()]
    failure = namespace.status()["lastFailure"]
    assert (failure["stage"], failure["reason"]) == ("prepare", "ModelNotFound")
    assert failure["pod"].startswith("run-prepare-")


def test_a_defect_is_final_until_the_retry_annotation_changes(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour(
        "train", Exit(70, message="a bug"), Exit(70, message="a bug"), Work()
    )
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Failed")
    assert true_conditions(namespace.run()) == {"Failed": "Defect", "Stalled": "Defect"}
    assert "a bug" in namespace.message()
    assert "completionTime" in namespace.status()
    # The failed Job stays, so that its logs can be read. The Job of prepare is being deleted.
    namespace.until(lambda: [steps_of(job)[0][0] for job in namespace.jobs()] == ["i1/train"])
    namespace.until_quiet()
    assert namespace.started() == ["prepare", "i1/train"]

    namespace.annotate(retry="1")
    namespace.until(lambda: namespace.started() == ["prepare", "i1/train", "i1/train"])
    namespace.until(lambda: namespace.status().get("lastHandledRetry") == "1")
    namespace.until_phase("Failed")
    # The same value again has no effect.
    namespace.annotate(retry="1")
    namespace.until_quiet()
    assert namespace.started() == ["prepare", "i1/train", "i1/train"]
    namespace.annotate(retry="2")
    namespace.until_phase("Succeeded")
    attempts = [job["metadata"]["labels"]["isheep.dev/attempt"] for job in namespace.jobs_created()]
    assert attempts == ["1", "1", "2", "3", "1", "1"]


def test_a_retry_of_a_run_that_has_succeeded_says_that_there_is_nothing_to_retry(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    namespace.until(lambda: not namespace.jobs())
    started = namespace.started()
    namespace.annotate(retry="please")
    namespace.until(lambda: namespace.status().get("lastHandledRetry") == "please")
    namespace.until(lambda: "NothingToRetry" in [reason for _, reason, _ in namespace.events()])
    namespace.until_quiet()
    assert (namespace.phase(), namespace.started()) == ("Succeeded", started)


def test_a_retry_annotation_before_a_failure_has_no_effect_after_it(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour("train", Hang(), Exit(70))
    namespace.create(FROM_TRAIN)
    job = namespace.until_running("i1/train")
    namespace.annotate(retry="early")
    namespace.until(lambda: namespace.status().get("lastHandledRetry") == "early")
    namespace.delete_job(job["metadata"]["name"])
    namespace.until_phase("Failed")
    namespace.until_quiet()
    assert namespace.phase() == "Failed"


def test_bad_input_in_a_later_stage_fails_the_run_until_the_spec_is_edited(
    namespace: NamespaceFixture,
) -> None:
    namespace.workers.set_behaviour(
        "train", Exit(64, reason="TooLong", message="no sample fits"), Work()
    )
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Failed")
    assert true_conditions(namespace.run())["Failed"] == "TooLong"
    namespace.edit(training={"maxLength": 2048})
    namespace.until_phase("Succeeded")
    assert namespace.status()["observedGeneration"] == 2


def test_a_run_with_too_few_samples_fails_and_reports_the_numbers(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(Run().spec(selection={"minSamples": 8}).skip_to("i1/select"))
    namespace.until_phase("Failed")
    assert true_conditions(namespace.run())["Failed"] == "TooFewSamples"
    assert "3 pairs were kept, selection.minSamples is 8" in namespace.message()


def test_each_attempt_after_a_full_device_reduces_the_memory(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Exit(80), Exit(80), Work())
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    jobs = [job for job in namespace.jobs_created() if steps_of(job)[0][0] == "i1/train"]
    assert [order_of(job)["runtime"]["memoryReduction"] for job in jobs] == [0, 1, 2]


def test_an_edit_of_a_finished_run_runs_only_the_changed_stages(
    namespace: NamespaceFixture,
) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    namespace.edit(training={"numTrainEpochs": 3})
    namespace.until_phase("Succeeded")
    assert namespace.started()[-3:] == ["i1/train", "i1/merge", "i1/report"]
    status = namespace.status()
    assert status["observedGeneration"] == 2
    assert [s["id"] for s in status["stages"]] == STAGES
    # No unchanged stage ran again.
    assert not {"i1/generate/r1", "i1/respond", "i1/select"} & set(namespace.started())


def test_an_edit_that_changes_no_output_starts_no_job(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    before = namespace.started()
    namespace.edit(compute={"inference": {"parallelism": 2}})
    namespace.until_phase("Succeeded")
    namespace.until_quiet()
    assert namespace.started() == before


def test_the_default_status_observes_no_generation(namespace: NamespaceFixture) -> None:
    created = namespace.create(FROM_TRAIN)
    assert created["status"] == {"observedGeneration": -1}
    namespace.until_phase("Succeeded")
    first = namespace.history()[1]["status"]
    # The first write has the observed generation and the Reconciling condition.
    assert first["observedGeneration"] == 1
    assert "Reconciling" in {c["type"] for c in first["conditions"] if c["status"] == "True"}


def test_a_job_is_deleted_only_after_the_status_has_its_result(namespace: NamespaceFixture) -> None:
    namespace.create(FROM_TRAIN)
    namespace.until_phase("Succeeded")
    namespace.until(lambda: not namespace.jobs())
    deleted = {
        v.uid: v.number
        for v in namespace.cluster.observer.history(JOBS, namespace.name)
        if "deletionTimestamp" in v.document["metadata"] or v.deleted
    }
    written = {
        (stage["id"], stage["key"]): int(document["metadata"]["resourceVersion"])
        for document in reversed(namespace.history())
        for stage in document.get("status", {}).get("stages", [])
        if stage["committed"]
    }
    for job in namespace.jobs_created():
        (step,) = steps_of(job)
        assert written[step] < deleted[job["metadata"]["uid"]]


def order_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    text = next(e["value"] for e in container["env"] if e["name"] == "ISHEEP_ORDER")
    return dict(json.loads(text.replace("$$", "$")))
