"""A run from Pending to its end: every state, every way back, and what tells of it."""

from __future__ import annotations

import json
from typing import Any

from isheep.contract.order import parse_order

from .harness.behaviour import Exit, Hang, Work
from .harness.laws import conditions_of, steps_of
from .harness.observer import JOBS
from .harness.runs import Run
from .harness.scene import Scene

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
LAST = Run().skip_to("i1/train")
"""prepare, train, merge, report."""


def true_conditions(run: dict[str, Any]) -> dict[str, str]:
    found = conditions_of(run)
    return {t: c["reason"] for t, c in found.items() if c["status"] == "True"}


def test_an_undisturbed_run_makes_one_job_a_stage_and_succeeds(scene: Scene) -> None:
    scene.create(Run())
    scene.until_phase("Succeeded")
    assert scene.started() == STAGES
    assert scene.phases() == [None, "Pending", "Running", "Succeeded"]
    status = scene.status()
    assert true_conditions(scene.run()) == {"Ready": "Succeeded", "Complete": "Succeeded"}
    assert [(s["id"], s["attempts"], s["committed"]) for s in status["stages"]] == [
        (stage, 1, True) for stage in STAGES
    ]
    (history,) = status["history"]
    assert (history["completions"], history["accepted"], history["kept"]) == (1, 8, 3)
    assert status["progress"] == "1/1"
    assert status["modelUri"].startswith("s3://bucket/some/prefix/")
    assert status["completionTime"] >= status["startTime"]
    # Their results are in the status: nothing is left of them.
    scene.until(lambda: not scene.jobs())
    scene.until(lambda: not scene.pods())


def test_events_tell_the_course_of_a_run(scene: Scene) -> None:
    scene.create(LAST)
    scene.until_phase("Succeeded")
    scene.until(lambda: any(reason == "Succeeded" for _, reason, _ in scene.events()))
    told = [(kind, reason) for kind, reason, _ in scene.events()]
    assert told.count(("Normal", "Succeeded")) == 1
    committed = [message for _, reason, message in scene.events() if reason == "StageCommitted"]
    assert [text.split()[0].rstrip(":,") for text in committed][-3:] == [
        "i1/train",
        "i1/merge",
        "i1/report",
    ]
    assert all(kind == "Normal" for kind, _ in told)


def test_a_job_is_what_was_designed(scene: Scene) -> None:
    scene.workshop.tell("train", Hang())
    made = scene.create(LAST)
    scene.until_at_work("i1/train")
    job = scene.until_job("i1/train")
    metadata, spec = job["metadata"], job["spec"]
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("SelfAlignmentRun", made["metadata"]["uid"])
    assert owner["controller"]
    assert owner["blockOwnerDeletion"]
    labels = {k: v for k, v in metadata["labels"].items() if k.startswith("isheep.dev/")}
    assert {k.removeprefix("isheep.dev/"): v for k, v in labels.items()}.items() >= {
        "run": "run",
        "run-uid": made["metadata"]["uid"],
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


def test_what_looks_like_a_variable_reaches_the_worker_as_it_is(scene: Scene) -> None:
    uri = "s3://bucket/$(HOME)/$$/seeds.jsonl"
    scene.create(Run().spec(seedTasks={"storageUri": uri}).skip_to("i1/report"))
    scene.until_phase("Succeeded")
    job = scene.until_job("prepare")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    text = next(e["value"] for e in container["env"] if e["name"] == "ISHEEP_ORDER")
    assert "$$(HOME)/$$$$/seeds.jsonl" in text
    assert order_of(job)["sources"]["seedTasks"] == uri


def test_suspend_stops_the_pods_and_resume_goes_on_from_the_last_commit(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), Work())
    scene.create(LAST)
    scene.until_at_work("i1/train")
    scene.edit(suspend=True)
    scene.until_phase("Suspended")
    assert true_conditions(scene.run()) == {"Suspended": "Suspended"}
    scene.until(lambda: not scene.jobs(finished=False))
    scene.until(lambda: not scene.pods())
    assert "startTime" not in scene.status()
    scene.edit(suspend=False)
    scene.until_phase("Succeeded")
    assert scene.started() == ["prepare", "i1/train", "i1/train", "i1/merge", "i1/report"]


def test_a_run_that_is_created_suspended_starts_nothing(scene: Scene) -> None:
    scene.create(Run().spec(suspend=True))
    scene.until_phase("Suspended")
    scene.settle()
    assert scene.jobs_made() == []
    assert scene.phases() == [None, "Suspended"]


def test_an_input_that_is_not_there_stalls_the_run_and_it_recovers_alone(scene: Scene) -> None:
    scene.workshop.tell("prepare", Exit(64, reason="ModelNotFound", message="org/model is not"))
    scene.create(LAST)
    stalled = scene.until_told("Stalled")
    assert true_conditions(stalled) == {"Stalled": "ModelNotFound"}
    assert "org/model is not" in conditions_of(stalled)["Ready"]["message"]
    scene.until(lambda: scene.started().count("prepare") > 1)
    scene.workshop.mend("prepare")
    scene.until_phase("Succeeded")
    assert ("Warning", "ModelNotFound") in [(k, r) for k, r, _ in scene.events()]
    failure = scene.status()["lastFailure"]
    assert (failure["stage"], failure["reason"]) == ("prepare", "ModelNotFound")
    assert failure["pod"].startswith("run-prepare-")


def test_a_defect_is_final_until_the_retry_annotation_changes(scene: Scene) -> None:
    scene.workshop.tell("train", Exit(70, message="a bug"), Exit(70, message="a bug"), Work())
    scene.create(LAST)
    scene.until_phase("Failed")
    assert true_conditions(scene.run()) == {"Failed": "Defect", "Stalled": "Defect"}
    assert "a bug" in scene.message()
    assert "completionTime" in scene.status()
    # The failed Job stays for whoever wants to read its logs.
    assert [steps_of(job)[0][0] for job in scene.jobs(finished=True)] == ["i1/train"]
    scene.settle()
    assert scene.started() == ["prepare", "i1/train"]

    scene.annotate(retry="1")
    scene.until(lambda: scene.started() == ["prepare", "i1/train", "i1/train"])
    scene.until(lambda: scene.status().get("lastHandledRetry") == "1")
    scene.until_phase("Failed")
    # The same value again means nothing.
    scene.annotate(retry="1")
    scene.settle()
    assert scene.started() == ["prepare", "i1/train", "i1/train"]
    scene.annotate(retry="2")
    scene.until_phase("Succeeded")
    attempts = [job["metadata"]["labels"]["isheep.dev/attempt"] for job in scene.jobs_made()]
    assert attempts == ["1", "1", "2", "3", "1", "1"]


def test_a_retry_that_is_asked_for_beforehand_does_not_go_off_later(scene: Scene) -> None:
    scene.workshop.tell("train", Hang(), Exit(70))
    scene.create(LAST)
    job = scene.until_at_work("i1/train")
    scene.annotate(retry="early")
    scene.until(lambda: scene.status().get("lastHandledRetry") == "early")
    scene.delete_job(job["metadata"]["name"])
    scene.until_phase("Failed")
    scene.settle()
    assert scene.phase() == "Failed"


def test_bad_input_in_a_later_stage_is_final_and_an_edit_takes_it_up_again(scene: Scene) -> None:
    scene.workshop.tell("train", Exit(64, reason="TooLong", message="no sample fits"), Work())
    scene.create(LAST)
    scene.until_phase("Failed")
    assert true_conditions(scene.run())["Failed"] == "TooLong"
    scene.edit(training={"maxLength": 2048})
    scene.until_phase("Succeeded")
    assert scene.status()["observedGeneration"] == 2


def test_too_few_samples_fail_with_the_numbers(scene: Scene) -> None:
    scene.create(Run().spec(selection={"minSamples": 8}).skip_to("i1/select"))
    scene.until_phase("Failed")
    assert true_conditions(scene.run())["Failed"] == "TooFewSamples"
    assert "3 pairs were kept, selection.minSamples is 8" in scene.message()


def test_a_full_device_gets_smaller_batches(scene: Scene) -> None:
    scene.workshop.tell("train", Exit(80), Exit(80), Work())
    scene.create(LAST)
    scene.until_phase("Succeeded")
    jobs = [job for job in scene.jobs_made() if steps_of(job)[0][0] == "i1/train"]
    assert [order_of(job)["runtime"]["memoryReduction"] for job in jobs] == [0, 1, 2]


def test_a_new_generation_of_a_finished_run_keeps_what_stays_the_same(scene: Scene) -> None:
    scene.create(LAST)
    scene.until_phase("Succeeded")
    scene.edit(training={"numTrainEpochs": 3})
    scene.until_phase("Succeeded")
    assert scene.started()[-3:] == ["i1/train", "i1/merge", "i1/report"]
    status = scene.status()
    assert status["observedGeneration"] == 2
    assert [s["id"] for s in status["stages"]] == STAGES
    # What is unchanged was not made again.
    assert not {"i1/generate/r1", "i1/respond", "i1/select"} & set(scene.started())


def test_an_edit_that_changes_no_output_starts_nothing(scene: Scene) -> None:
    scene.create(LAST)
    scene.until_phase("Succeeded")
    before = scene.started()
    scene.edit(compute={"inference": {"parallelism": 2}})
    scene.until_phase("Succeeded")
    scene.settle()
    assert scene.started() == before


def test_the_default_status_is_about_no_generation(scene: Scene) -> None:
    made = scene.create(LAST)
    assert made["status"] == {"observedGeneration": -1}
    scene.until_phase("Succeeded")
    first = scene.history()[1]["status"]
    # The first write says what it is about, and that it is at work.
    assert first["observedGeneration"] == 1
    assert "Reconciling" in {c["type"] for c in first["conditions"] if c["status"] == "True"}


def test_a_job_is_gone_only_after_its_result_was_written(scene: Scene) -> None:
    scene.create(LAST)
    scene.until_phase("Succeeded")
    scene.until(lambda: not scene.jobs())
    deleted = {
        v.uid: v.number
        for v in scene.plane.observer.history(JOBS, scene.namespace)
        if "deletionTimestamp" in v.document["metadata"] or v.deleted
    }
    written = {
        (stage["id"], stage["key"]): int(document["metadata"]["resourceVersion"])
        for document in reversed(scene.history())
        for stage in document.get("status", {}).get("stages", [])
        if stage["committed"]
    }
    for job in scene.jobs_made():
        (step,) = steps_of(job)
        assert written[step] < deleted[job["metadata"]["uid"]]


def order_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    text = next(e["value"] for e in container["env"] if e["name"] == "ISHEEP_ORDER")
    return dict(json.loads(text.replace("$$", "$")))
