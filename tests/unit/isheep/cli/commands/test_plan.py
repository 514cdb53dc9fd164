"""`isheep plan` before a run, after it, after an edit, and without a readable store."""

import json
import shutil
from pathlib import Path

import yaml

from isheep.local.lock import RunLock
from isheep.store.folder import FolderStore


def planned(shell, *options):
    result = shell("plan", "run.yaml", *options, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rename(name):
    document = yaml.safe_load(Path("run.yaml").read_text())
    document["metadata"]["name"] = name
    Path("run.yaml").write_text(yaml.safe_dump(document, sort_keys=False))


def test_a_new_run_is_predicted_to_its_end_and_nothing_is_written(shell):
    shell.spec["iterations"] = 2
    shell.write()
    lines = shell("plan", "run.yaml").stdout.splitlines()
    assert lines[0] == f"store: {Path('isheep-store').absolute()}"
    assert [line.split()[0] for line in lines[1:3]] == ["prepare", "i1/generate/r1"]
    assert lines[1].endswith("  to do")
    assert lines[2].split(maxsplit=2)[1:] == ["-", "to do, 8 items, predicted"]
    assert lines[-3].split()[0] == "i2/report"
    # 64 pairs, 6 of them held out, 16 a step, 2 epochs, 2 iterations.
    assert lines[-2].startswith(
        "to do: 17 of 17 stages, 16 completions of new instructions, at most 16 optimizer steps; "
    )
    assert lines[-1].startswith("at most ")
    assert "time, GPU-hours and size are unknown, because no run of this model" in lines[-1]
    assert not Path("isheep-store").exists()


def test_after_a_run_the_plan_of_an_edit_has_the_time_that_it_takes(finished):
    finished.spec["instructions"]["count"] = 80
    finished.write()
    to_do = planned(finished)["toDo"]
    assert to_do["unmeasured"] == []
    assert to_do["measuredBy"] == ["lamb"]
    # The manifests of the fake worker have no duration; test_cost.py has other figures.
    assert (to_do["seconds"], to_do["gpuHours"]) == (0, 0)
    assert to_do["bytes"] > 0
    assert " at the rates of lamb" in finished("plan", "run.yaml").stdout.splitlines()[-1]


def test_the_prediction_agrees_with_the_finished_run(shell):
    predicted = planned(shell)
    assert shell("run", "run.yaml").exit_code == 0
    done = planned(shell)
    assert [one["id"] for one in predicted["stages"]] == [one["id"] for one in done["stages"]]
    assert [one["items"] for one in predicted["stages"]] == [one["items"] for one in done["stages"]]
    left = ("stages", "completions", "optimizerStepsAtMost", "tokensAtMost", "seconds", "bytes")
    assert {name: done["toDo"][name] for name in left} == dict.fromkeys(left, 0)
    assert not any(one["predicted"] for one in done["stages"])


def test_each_manifest_is_read_once(finished, monkeypatch):
    finished.spec["selection"] = {"minSamples": 1, "threshold": 7}
    finished.write()
    read, get = [], FolderStore.get
    monkeypatch.setattr(FolderStore, "get", lambda store, key: read.append(key) or get(store, key))
    assert planned(finished)["toDo"]["measuredBy"] == ["lamb"]
    manifests = [key for key in read if key.endswith("/manifest.json")]
    assert len(manifests) == len(set(manifests)) > 4


def test_a_finished_run_exists_with_the_keys_of_its_status(finished):
    lines = finished("plan", "run.yaml").stdout.splitlines()
    assert lines[-1] == "nothing to do"
    keys = {stage["id"]: stage["key"] for stage in finished.status()["stages"]}
    shown = planned(finished)["stages"]
    assert shown[-1]["id"] == "i1/report"
    assert all(one["exists"] and keys[one["id"]] == one["key"] for one in shown)


def test_an_edit_shows_what_is_kept_and_which_field_changes_the_rest(finished):
    finished.spec["selection"] = {"minSamples": 1, "threshold": 7}
    finished.spec["training"] = {"learningRate": 0.01}
    finished.spec["activeDeadlineSeconds"] = 7200  # no data depends on it
    finished.write()

    plan = planned(finished)

    assert plan["edited"] == ["selection.threshold", "training.learningRate"]
    assert plan["preparedBy"] == "lamb"
    exists = [one["id"] for one in plan["stages"] if one["exists"]]
    assert exists == [f"i1/{id_}" for id_ in ("generate/r1", "curate/r1", "respond", "assess")]
    both = ["selection.threshold", "training.learningRate"]
    assert {one["id"]: one["changedBy"] for one in plan["stages"] if one["changedBy"]} == {
        "prepare": both,
        "i1/select": ["selection.threshold"],
        **{f"i1/{id_}": both for id_ in ("train", "merge", "report")},
    }
    lines = finished("plan", "run.yaml").stdout.splitlines()
    assert lines[1] == "changed since lamb: selection.threshold, training.learningRate"
    assert any(line.endswith("to do, predicted; changed by selection.threshold") for line in lines)
    assert finished.status()["observedGeneration"] == 1


def test_a_benchmark_that_is_only_reported_trains_no_model_again(finished):
    finished.spec["evaluation"] = {"benchmarks": [{"name": "quiz", "task": "arc_easy"}]}
    finished.write()
    plan = planned(finished)
    assert (plan["preparedBy"], plan["edited"], plan["trainsAgain"]) == ("lamb", ["evaluation"], [])
    to_do = {one["id"]: one for one in plan["stages"] if not one["exists"]}
    assert set(to_do) == {
        "prepare",
        *(f"i{t}/{kind}/arc-easy-unknown0-chat" for t in (0, 1) for kind in ("evaluate", "score")),
        *(f"i0/{kind}/arc-easy-unknown0-raw" for kind in ("evaluate", "score")),
        "i1/verdict",
        "i1/report",
    }
    answers = to_do["i0/evaluate/arc-easy-unknown0-raw"]
    assert (answers["key"], answers["items"], answers["predicted"]) == (None, None, True)
    lines = finished("plan", "run.yaml").stdout.splitlines()
    assert "the change trains no model again" in lines


def test_a_benchmark_that_is_kept_out_of_the_training_trains_again(finished):
    quiz = {"name": "quiz", "task": "arc_easy", "decontaminate": "Drop"}
    finished.spec["evaluation"] = {"benchmarks": [quiz]}
    finished.write()
    plan = planned(finished)
    assert plan["trainsAgain"] == ["i1/train"]
    first = next(one for one in plan["stages"] if not one["exists"] and one["id"] != "prepare")
    assert (first["id"], first["changedBy"]) == ("i1/curate/r1", ["evaluation"])
    lines = finished("plan", "run.yaml").stdout.splitlines()
    assert "the change trains M(1) again, because of evaluation" in lines


def test_the_prediction_after_an_edit_is_what_the_run_then_does(finished):
    finished.spec["selection"] = {"minSamples": 1, "threshold": 7}
    finished.write()
    predicted = {one["id"] for one in planned(finished)["stages"] if not one["exists"]}
    ran = finished("run", "run.yaml").stdout.splitlines()
    assert predicted == {line.split()[1].rstrip(":") for line in ran if ": started" in line}


def test_a_run_in_its_middle_shows_what_exists_runs_and_is_left(shell):
    (shell.control / "i1.assess.0").write_text("fail 64 BadTemplate")
    shell("run", "run.yaml")
    states = {one["id"]: (one["exists"], one["predicted"]) for one in planned(shell)["stages"]}
    assert states["i1/respond"] == (True, False)
    assert states["i1/assess"] == states["i1/select"] == (False, False)
    assert states["i1/train"] == (False, True)

    # The status of a driver that executes assess now.
    path = Path("isheep-store/default/runs/lamb/status.json")
    document = json.loads(path.read_text())
    key = next(one["key"] for one in planned(shell)["stages"] if one["id"] == "i1/assess")
    document["stage"] = {"id": "i1/assess", "key": key}
    path.write_text(json.dumps(document))
    assert not any(one["running"] for one in planned(shell)["stages"])
    (lock,) = (shell.folder / "state/isheep").glob("*/lock")
    held = RunLock.take(lock, note=lambda _: None)
    try:
        lines = shell("plan", "run.yaml").stdout.splitlines()
        assert [one["id"] for one in planned(shell)["stages"] if one["running"]] == ["i1/assess"]
    finally:
        held.release()
    assert [line.split()[0] for line in lines if "  running, " in line] == ["i1/assess"]


def test_an_edit_of_what_prepare_reads_says_that_prepare_decides(finished):
    finished.spec["model"] = {"storageUri": "hf://org/other"}
    finished.write()
    lines = finished("plan", "run.yaml").stdout.splitlines()
    assert lines[1] == "changed since lamb: model.storageUri"
    assert lines[2].startswith("prepare computes its result from model.storageUri; ")
    assert not any(one["exists"] for one in planned(finished)["stages"])


def test_a_run_with_another_name_shows_what_exists(finished):
    rename("ewe")
    plan = planned(finished)
    assert (plan["preparedBy"], plan["edited"]) == ("lamb", [])
    # prepare and the report belong to one run; the report's key is that of its content.
    assert {one["id"] for one in plan["stages"] if not one["exists"]} <= {"prepare", "i1/report"}


def test_the_nearest_run_counts_and_damaged_ones_do_not(finished):
    runs = Path("isheep-store/default/runs")
    shutil.copytree(runs / "lamb", runs / "aries")
    document = json.loads((runs / "aries/status.json").read_text())
    document["resolved"]["spec"]["selection"]["threshold"] = 5
    (runs / "aries/status.json").write_text(json.dumps(document))
    shutil.copytree(runs / "lamb", runs / "broken")
    (runs / "broken/status.json").write_text("{")
    rename("ewe")
    assert planned(finished)["preparedBy"] == "lamb"


def test_a_damaged_document_of_the_run_is_an_error(finished):
    Path("isheep-store/default/runs/lamb/status.json").write_text("{")
    assert finished("plan", "run.yaml").exit_code == 74


def test_without_credentials_the_plan_says_so_and_goes_on(shell, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    result = shell("plan", "run.yaml", "--store", "s3://bucket/prefix")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "store: s3://bucket/prefix"
    assert lines[1].startswith("the store cannot be read, so the plan shows no result: ")
    assert lines[-3].split()[0] == "i1/report"
