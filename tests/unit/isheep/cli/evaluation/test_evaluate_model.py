"""`isheep evaluate MODEL`: one model on benchmarks, without a run's file, with the fake worker."""

import json
from pathlib import Path

import pytest

MODEL = "hf://org/tiny"
QUIZ = ("evaluate", MODEL, "--task", "arc_easy", "--limit", "64")
RUNS = Path("isheep-store/default/runs")


def started(result):
    return [
        line.split()[1].rstrip(":") for line in result.stdout.splitlines() if ": started" in line
    ]


def keys():
    """Return the keys of the stages of the only evaluated model, by their ids."""
    (folder,) = RUNS.glob("eval-tiny-*")
    status = json.loads((folder / "status.json").read_text())
    return {stage["id"]: stage["key"] for stage in status["stages"] if stage["committed"]}


def test_a_model_is_evaluated_after_a_failure_and_nothing_is_started_twice(shell):
    (shell.control / "prepare.0").write_text("fail 64 BadInput")
    refused = shell(*QUIZ)
    assert refused.exit_code == 64
    assert "failed with BadInput" in refused.stderr
    assert "what to do: " in refused.stderr

    result = shell(*QUIZ)
    assert result.exit_code == 0, result.output
    assert started(result)[0] == "prepare"
    assert {id_.split("/")[1] for id_ in started(result)[1:]} == {"evaluate", "score"}
    lines = result.stdout.splitlines()
    assert lines[-5:-1] == [
        "arc-easy (lm-eval 0.4.13, task arc_easy), Raw:",
        "  acc (higher is better): 0.250, 64 items (95 % interval 0.160 to 0.368)",
        "arc-easy (lm-eval 0.4.13, task arc_easy), Chat:",
        "  acc (higher is better): 0.250, 64 items (95 % interval 0.160 to 0.368)",
    ]
    assert lines[-1].startswith("These are figures of one model, so nothing is compared.")
    assert "engine Transformers, because no GPU is visible" in result.stderr

    again = shell(*QUIZ)
    assert (again.exit_code, started(again)) == (0, [])
    assert again.stdout.splitlines() == lines[-6:]


def test_a_run_with_this_model_as_m0_shares_the_evaluation(shell):
    options = ("-o", "json", "--results", "results", "--prompt-format", "Raw")
    result = shell(*QUIZ, *options)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["model"], document["engine"]) == (MODEL, "Transformers")
    (one,) = document["benchmarks"]
    assert (one["name"], one["task"], one["format"]) == ("arc-easy", "arc_easy", "Raw")
    (figure,) = one["figures"]
    assert (figure["items"], figure["mean"]) == (64, 0.25)
    assert figure["lower"] < figure["mean"] < figure["upper"]
    (file,) = Path("results").iterdir()
    assert file.name.startswith("M0-arc-easy-")
    assert "results" in json.loads(file.read_text())

    quiz = {"name": "other-name", "task": "arc_easy", "limit": 64, "promptFormat": "Raw"}
    shell.spec["evaluation"] = {"benchmarks": [quiz]}
    shell.write()
    ran = shell("run", "run.yaml")
    assert ran.exit_code == 0, ran.output
    made = {stage["id"]: stage["key"] for stage in shell.status()["stages"]}
    shared = {id_: key for id_, key in keys().items() if id_ != "prepare"}
    assert {id_.split("/")[1] for id_ in shared} == {"evaluate", "score"}
    assert shared.items() <= made.items()
    for key in shared.values():
        manifest = json.loads((RUNS.parent / "stages" / key / "manifest.json").read_text())
        assert manifest["run"]["name"] == document["run"]


def test_a_failed_evaluation_is_an_error_that_names_the_prompt_format(shell):
    (shell.control / "i0.evaluate.arc-easy-5053348a-chat.0").write_text("fail 64 BadInput")
    result = shell("evaluate", MODEL, "--task", "arc_easy")
    assert result.exit_code == 70
    assert "arc-easy Chat: there are no figures. " in result.stderr
    assert "task arc_easy), Raw:" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-n", "herd"), "-n needs a run; a model is evaluated here"),
        (("--task", "boolq", "--data", "items.jsonl"), "--data is for one task"),
        (("--data", "nowhere.jsonl"), "--data nowhere.jsonl: there is no such file or folder"),
        (("--name", "Not Plain"), "spec.evaluation.benchmarks"),
        (("--revision", "not a revision"), "spec.model.revision"),
        (("--set", "spec.iterations=x"), "spec.iterations"),
        (("--results", "run.yaml"), "--results run.yaml: this is a file; name a folder"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(shell, options, message):
    result = shell(*QUIZ, *options)
    assert result.exit_code == 64
    assert message in result.stderr
    assert not RUNS.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--revision", "main"), "--revision is for a model; the run names its own"),
        (
            ("--set", "spec.iterations=2"),
            "--set spec.iterations: for a run, this command sets only",
        ),
        (("--results", "out"), "--results is for a model"),
        (("-o", "json"), "--output json is for a model"),
        (("--task", "boolq"), "a run gets one benchmark at a time"),
    ],
)
def test_a_run_takes_no_option_of_a_model(shell, options, message):
    result = shell("evaluate", "lamb", "--task", "arc_easy", *options)
    assert result.exit_code == 64
    assert message in result.stderr


def test_a_file_of_a_run_cannot_name_the_internal_recipe(shell):
    shell.spec["recipe"] = "EvaluateOnly"
    shell.write()
    result = shell("validate", "run.yaml")
    assert result.exit_code == 64
    assert 'spec.recipe: found "EvaluateOnly"; allowed: one of ISheep, ' in result.stderr
