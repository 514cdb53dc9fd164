"""`--set` of run, plan and validate: stored with the run, shown, and not lost in silence."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from isheep.cli.arguments.set_confirmation import confirm_set_values
from isheep.cli.arguments.set_option import set_values
from isheep.cli.arguments.target import target

FIELD = "spec.selection.threshold"
SET = ("--set", f"{FIELD}=3")
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def chosen(*texts):
    return target(Path("run.yaml"), None, set_values(texts))


@pytest.fixture
def started(shell):
    """A run that was started with a set value, and that no process executes."""
    run = chosen(f"{FIELD}=3")
    run.stored.submit(run.spec, {}, NOW, run.set_values)
    return shell


def test_a_run_stores_and_shows_the_values_and_later_needs_them_or_yes(shell, monkeypatch):
    monkeypatch.setattr("sys.argv", ["isheep", "run", "run.yaml", *SET])
    result = shell("run", "run.yaml", *SET)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"lamb: with --set {FIELD}=3\n")
    assert result.stdout.splitlines()[-1] == f"to run it again: isheep run run.yaml --set {FIELD}=3"
    document = json.loads(Path("isheep-store/default/runs/lamb/run.json").read_text())
    assert (document["spec"]["selection"]["threshold"], document["set"]) == (3, {FIELD: 3})
    assert shell.status()["set"] == {FIELD: 3}
    again = shell("run", "run.yaml", *SET)
    assert (again.exit_code, again.stderr, ": started" in again.stdout) == (0, "", False)

    assert shell("run", "run.yaml").exit_code == 64
    result = shell("run", "run.yaml", "--yes", "--until", "prepare")
    assert (result.exit_code, f"{FIELD}: 3 before, the default now" in result.stderr) == (0, True)
    assert "set" not in shell.status()


def test_the_values_are_shown_by_status_and_by_the_command_that_resumes(started):
    for run in ("run.yaml", "lamb"):
        shown = started("status", run).stdout
        assert f"  set on the command line: {FIELD}=3\n" in shown
        resumption = shown.partition("to resume: isheep run ")[2]
        assert resumption.splitlines()[0].endswith(f" --set {FIELD}=3")


@pytest.mark.parametrize(
    ("given", "now"), [((), "the default"), (("--set", f"{FIELD}=2"), "2")], ids=["none", "other"]
)
def test_a_run_without_them_is_refused_with_the_difference(started, given, now):
    result = started("run", "run.yaml", *given)
    assert result.exit_code == 64
    assert result.stderr.splitlines() == [
        "lamb: the values differ from those of the last start with --set:",
        f"  {FIELD}: 3 before, {now} now",
        f"to keep the values of the last start, add --set {FIELD}=3",
        "isheep: run lamb: there is no terminal to ask; add --yes",
    ]
    assert started.status()["set"] == {FIELD: 3}


@pytest.mark.parametrize(
    ("answer", "goes_on"), [("y", True), ("YES ", True), ("n", False), ("", 0)]
)
@pytest.mark.usefixtures("started")
def test_a_terminal_is_asked(monkeypatch, capsys, answer, goes_on):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _question: answer)
    if goes_on:
        confirm_set_values(chosen(), yes=False)
        return
    with pytest.raises(typer.Exit) as stopped:
        confirm_set_values(chosen(), yes=False)
    assert stopped.value.exit_code == 143
    assert capsys.readouterr().out == "nothing is started\n"


@pytest.mark.usefixtures("started")
def test_no_question_if_the_file_has_the_value_or_yes_is_given(started, capsys):
    confirm_set_values(chosen(), yes=True)
    assert f"  {FIELD}: 3 before, the default now\n" in capsys.readouterr().err
    started.spec["selection"]["threshold"] = 3
    started.write()
    confirm_set_values(chosen(), yes=False)
    assert capsys.readouterr().err == ""


def test_a_damaged_document_is_named(started):
    path = Path("isheep-store/default/runs/lamb/run.json")
    path.write_text(path.read_text().replace('"set": {', '"set": 3, "other": {'))
    result = started("status", "run.yaml")
    assert (result.exit_code, "run.json is damaged" in result.stderr) == (74, True)


def test_plan_and_validate_have_the_same_option(two_runs):
    for verb in ("plan", "validate", "run"):
        result = two_runs(verb, "run.yaml", "--set", f"{FIELD}=high")
        assert result.exit_code == 64
        assert f': --set {FIELD}: found "high"; allowed: ' in result.stderr
        result = two_runs(verb, "run.yaml", "--set", "threshold=3")
        assert result.exit_code == 64
        assert result.stderr.startswith("isheep: --set 'threshold': a field begins with spec.")
    changed = f"changed by {FIELD.removeprefix('spec.')}"
    assert changed not in two_runs("plan", "run.yaml").stdout
    assert changed in two_runs("plan", "run.yaml", *SET).stdout
    assert two_runs("validate", "run.yaml", *SET).stdout == "run.yaml: ok\n"


def test_the_store_can_be_set_and_is_not_stored_with_the_run(shell):
    run = chosen("spec.storage.folder.path=there")
    assert run.store.uri == str(shell.folder / "there")
    assert (run.set_values, "storage" in run.spec) == ({}, False)


def test_a_value_from_outside_is_printed_without_control_characters(shell):
    shell.spec["model"]["revision"] = "main"
    shell.write()
    result = shell("validate", "run.yaml", "--set", 'spec.model.revision="a\\e[31m"')
    assert result.exit_code == 64
    assert "\x1b" not in result.output
