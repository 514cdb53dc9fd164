"""`isheep evaluate`: a benchmark is added to a finished run, and no model is trained again."""

import json
from pathlib import Path

import pytest

DOCUMENTS = Path("isheep-store/default/runs/lamb")
QUIZ = ("evaluate", "lamb", "--task", "arc_easy")


def documents():
    """Return the run and its status; the uid depends on the place of the store."""
    run, status = (
        json.loads((DOCUMENTS / name).read_text()) for name in ("run.json", "status.json")
    )
    return {**run, "uid": ""}, status


def started(result):
    return [
        line.split()[1].rstrip(":") for line in result.stdout.splitlines() if ": started" in line
    ]


def keys(shell):
    return {stage["id"]: stage["key"] for stage in shell.status()["stages"]}


def test_only_stages_that_evaluate_are_started_and_all_other_keys_stay(finished):
    before = keys(finished)
    allowed = ("--set", "spec.evaluation.allowCodeExecution=true")
    result = finished(*QUIZ, "--limit", "64", *allowed)
    assert result.exit_code == 0, result.output

    assert started(result)[0] == "prepare"
    kinds = {id_.split("/")[1] for id_ in started(result)[1:]}
    assert kinds == {"evaluate", "score", "verdict", "report"}
    changed = {"prepare", "i1/report"}
    after = keys(finished)
    assert {id_: key for id_, key in after.items() if id_ in before} | {
        id_: before[id_] for id_ in changed
    } == before
    lines = result.stdout.splitlines()
    at = lines.index("arc-easy, acc (higher is better, role Test):")
    assert lines[at + 1 : at + 3] == [
        "  M(0) Raw: 0.250, 64 items",
        "  M(1) Chat: 0.500, 64 items; +0.250 against M(0) Raw (95 % interval +0.125 to +0.375)",
    ]

    stored = json.loads((DOCUMENTS / "run.json").read_text())
    quiz = {"name": "arc-easy", "task": "arc_easy", "limit": 64}
    assert stored["spec"]["evaluation"] == {"benchmarks": [quiz], "allowCodeExecution": True}
    assert stored["set"] == {
        "spec.evaluation.benchmarks": [quiz],
        "spec.evaluation.allowCodeExecution": True,
    }
    # The file does not contain the benchmark, so a run of the file asks first.
    refused = finished("run", "run.yaml")
    assert refused.exit_code == 64
    assert "spec.evaluation.benchmarks" in refused.stderr

    again = finished(*QUIZ, "--limit", "64")
    assert (again.exit_code, started(again)) == (0, [])
    assert "  M(0) Raw: 0.250, 64 items" in again.stdout
    # The plan of a second benchmark keeps the first one.
    second = json.dumps([quiz, {"name": "rules", "task": "ifeval"}])
    both = ("--set", f"spec.evaluation.benchmarks={second}", *allowed)
    planned = finished("plan", "run.yaml", *both)
    states = [
        line.split()[2].rstrip(",") for line in planned.stdout.splitlines() if "/arc-easy-" in line
    ]
    assert states == ["exists"] * 6
    assert finished("export", "lamb", "--evaluation", "-o", "results").exit_code == 0
    files = {file.name: json.loads(file.read_text()) for file in Path("results").iterdir()}
    assert {name.partition("-")[0] for name in files} == {"M0", "M1"}
    assert len(files) == 3
    (chat,) = (name for name in files if name.startswith("M1-arc-easy-"))
    assert files[chat]["results"] == {f"i1/score/{chat[3:-5]}": {"acc,none": 0.5}}
    other = finished(*QUIZ, "--limit", "32")
    assert other.exit_code == 64
    assert "the run has another benchmark named arc-easy" in other.stderr


def test_a_benchmark_that_prepare_refuses_leaves_the_run_as_it_was(finished):
    before = documents()
    (finished.control / "prepare.0").write_text("fail 64 BadInput")
    result = finished(*QUIZ)
    assert result.exit_code == 64
    assert "lamb: the benchmark is not added, and the run is as it was before" in result.stderr
    assert "failed with BadInput" in result.stderr
    assert documents() == before
    assert finished("plan", "run.yaml").stdout.splitlines()[-1] == "nothing to do"


def test_a_failed_evaluation_is_an_error_and_trains_nothing(finished):
    for kind in ("chat", "raw"):
        name = f"i0.evaluate.arc-easy-5053348a-{kind}"
        (finished.control / f"{name}.0").write_text("fail 64 BadInput")
    result = finished(*QUIZ)
    assert result.exit_code == 70
    assert "arc-easy: there are no figures. " in result.stderr
    assert "i1/train" not in started(result)
    shown = finished("status", "run.yaml")
    assert "  Evaluated: BadInput: i0/evaluate/arc-easy-5053348a-" in shown.stdout
    assert "i1/train" not in started(again := finished(*QUIZ))
    assert (again.exit_code, "M(1) Chat: " in again.stdout) == (0, True), again.output


def test_a_run_that_is_not_finished_is_refused_before_anything_starts(shell):
    assert shell(*QUIZ).exit_code == 64
    assert shell("run", "run.yaml", "--until", "i1/select").exit_code == 0
    before = documents()
    result = shell(*QUIZ)
    assert result.exit_code == 64
    assert "lamb: the stage i1/train does not exist" in result.stderr
    assert documents() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("-n", "herd"),
            "Add the benchmark to spec.evaluation.benchmarks with `kubectl edit sheep",
        ),
        (("--data", "nowhere.jsonl"), "--data nowhere.jsonl: there is no such file or folder"),
        (("--name", "Not Plain"), "spec.evaluation.benchmarks"),
        (
            ("--set", "spec.iterations=3"),
            "--set spec.iterations: for a run, this command",
        ),
        (("--set", "spec.evaluation.benchmarks=[]"), "--set spec.evaluation.benchmarks: for a run"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(finished, options, message):
    result = finished(*QUIZ, *options)
    assert result.exit_code == 64
    assert message in result.stderr
