"""Every command with a finished run and without a run."""

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from isheep import __version__
from isheep.cli.app import app


def test_run_prints_its_result_and_the_next_command(shell):
    result = shell("run", "run.yaml")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    started = [line.split()[1] for line in lines if ": started" in line]
    assert started[:2] == ["prepare:", "i1/generate/r1:"]
    assert started[-1] == "i1/report:"
    assert any(line.split()[:6] == ["1", "8", "60", "64", "2", "8.500"] for line in lines)
    assert lines[-1] == "to run it again: isheep run run.yaml"
    report = next(line.removeprefix("report: ") for line in lines if line.startswith("report: "))
    assert Path(report).read_text() == "<p>report</p>"


def test_run_pauses_at_a_stage_and_continues_without_the_option(shell):
    result = shell("run", "run.yaml", "--until", "i1/respond")

    assert result.exit_code == 0
    assert "lamb: i1/respond is committed, so the run pauses here" in result.stdout
    assert "--until" in result.stdout.splitlines()[-1]
    stages = {stage["id"]: stage.get("committed", False) for stage in shell.status()["stages"]}
    assert stages["i1/respond"]
    assert not stages.get("i1/assess")

    again = shell("run", "run.yaml", "--until", "i1/respond")
    assert ": started" not in again.stdout
    assert shell("run", "run.yaml").exit_code == 0
    assert shell.status()["phase"] == "Succeeded"


def test_a_stage_that_the_run_does_not_have_is_refused_with_those_that_it_has(shell):
    for stage in ("i1/measure", "i2/train", "respond", "i1/respond/r2"):
        result = shell("run", "run.yaml", "--until", stage)
        assert result.exit_code == 64
        assert f"--until {stage}: the run has no such stage" in result.stderr
    assert "i1/train, i1/merge, i1/report" in result.stderr
    assert shell("run", "run.yaml", "--until", "i1/curate/r3").exit_code == 0


def test_run_of_a_finished_run_reports_it_and_starts_no_stage(finished):
    result = finished("run", "run.yaml")

    assert result.exit_code == 0
    assert ": started" not in result.stdout
    assert "lamb: every stage is committed" in result.stdout


def test_a_failed_run_prints_its_error_once_and_what_to_do(shell):
    (shell.control / "i1.respond.0").write_text("fail 64 BadTemplate")

    result = shell("run", "run.yaml")

    assert result.exit_code == 64
    error = "isheep: lamb: Failed. BadTemplate: i1/respond: failed with BadTemplate\n"
    assert result.stderr == error
    assert result.output.count("failed with BadTemplate") == 1
    assert result.stdout.splitlines()[-1] == (
        "what to do: correct the template that the message names; the settings are in run.yaml"
    )
    assert "isheep run run.yaml" not in result.output
    assert shell.status()["phase"] == "Failed"


def test_a_failed_iteration_leaves_the_figures_of_its_committed_stages(shell):
    shell.spec["iterations"] = 2
    shell.write()
    (shell.control / "i2.respond.0").write_text("fail 64 BadTemplate")
    lines = [
        "iteration 2 has no report yet; its committed stages:",
        "  i2/generate/r1: ",
        "  i2/curate/r1: completions 8, parsed 60, accepted 64; dropped: length 9, url 4",
    ]
    printed = shell("run", "run.yaml").stdout
    assert "\n".join(lines) in printed
    assert "iteration 1" not in printed
    result = shell("report", "run.yaml")
    # The report of iteration 1 is there.
    assert Path(result.stdout.strip()).read_text() == "<p>report</p>"
    assert result.stderr.splitlines() == lines


def test_a_stalled_run_prints_the_command_that_resumes_it(shell):
    (shell.control / "prepare.0").write_text("fail 69 SourceUnreachable")
    result = shell("run", "run.yaml")
    assert result.stdout.splitlines()[-1] == "to resume after that: isheep run run.yaml"


def test_a_run_whose_process_was_killed_is_interrupted(finished):
    """The stored status of a killed driver is that of its last plan."""
    path = Path("isheep-store/default/runs/lamb/status.json")
    document = json.loads(path.read_text())
    document["phase"] = "Running"
    document["conditions"] = [c for c in document["conditions"] if c["type"] == "Ready"]
    path.write_text(json.dumps(document))

    assert finished.status()["phase"] == "Interrupted"
    lines = finished("status", "run.yaml").stdout.splitlines()
    assert lines[0].startswith("lamb: Interrupted")
    again = "no process on this machine executes it; to resume: isheep run run.yaml"
    assert lines[-1] == f"  {again}"


def test_a_moved_store_shows_where_its_files_are_now(finished):
    Path("isheep-store").rename("moved store")
    shown = json.loads(
        finished("status", "run.yaml", "--store", "moved store", "-o", "json").stdout
    )
    assert Path(shown["modelUri"]).parent.is_dir()
    assert Path(shown["reportUri"]).read_text() == "<p>report</p>"
    place = finished("report", "run.yaml", "--store", "moved store").stdout.strip()
    report = Path("moved store/default/runs/lamb/report.html").absolute()
    assert place == shown["reportUri"] == str(report)


def test_the_store_is_that_of_the_option_or_the_spec_or_the_working_directory(shell):
    shell("run", "run.yaml")
    assert Path("isheep-store/default/runs/lamb/run.json").exists()
    shell.spec["storage"] = {"folder": {"path": "there"}}
    shell.write()
    shell("run", "run.yaml")
    assert Path("there/default/runs/lamb/run.json").exists()
    assert shell("status", "run.yaml").exit_code == 0
    # `storage` is not part of the stored spec, so another store has the same run.
    assert shell("status", "run.yaml", "--store", "isheep-store").exit_code == 0
    assert shell("status", "run.yaml", "--store", "nowhere").exit_code == 64


def test_validate_reads_only_the_file(shell):
    result = shell("validate", "run.yaml")
    assert (result.exit_code, result.stdout) == (0, "run.yaml: ok\n")
    assert not Path("isheep-store").exists()


def test_validate_reads_several_files_and_stdin_and_warns(shell):
    shell.spec["training"] = {"effectiveBatchSize": 17}
    shell.write()
    text = Path("run.yaml").read_text()
    Path("bad.yaml").write_text(text.replace("iterations: 1", "iterations: two\n  steps: 3"))

    result = CliRunner().invoke(app, ["validate", "run.yaml", "-"], input=text)
    assert (result.exit_code, result.stdout) == (0, "run.yaml: ok, 1 warning\n-: ok, 1 warning\n")
    first, second = result.stderr.splitlines()
    assert first.startswith("run.yaml:19:5: spec.training.effectiveBatchSize: warning: ")
    assert second.startswith("<stdin>:19:5: ")
    assert shell("validate", "--strict", "run.yaml").exit_code == 64

    result = shell("validate", "bad.yaml", "run.yaml")
    assert (result.exit_code, result.stdout) == (64, "run.yaml: ok, 1 warning\n")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(re.match(r"(bad|run)\.yaml:\d+:\d+: spec\.", line) for line in lines)
    # Every other command prints the same lines, with nothing before them.
    assert shell("plan", "bad.yaml").stderr.splitlines() == lines[:2]
    assert "effectiveBatchSize: warning: " in shell("run", "run.yaml").stderr


@pytest.mark.parametrize(
    "spec",
    [
        {"engine": {"vllm": {"tensorParallelSize": 2}}},
        {"compute": {"inference": {"resources": {"limits": {"nvidia.com/gpu": 1}}}}},
        {"compute": {"training": {"resources": {"requests": {"nvidia.com/mig-1g.5gb": 1}}}}},
    ],
)
def test_a_run_that_asks_for_gpus_is_refused_without_them(shell, spec):
    shell.spec |= spec
    shell.write()
    result = shell("run", "run.yaml")
    assert result.exit_code == 64
    assert re.match(r"isheep: run.yaml:\d+: spec\.\S+ asks for GPUs", result.stderr)
    assert not Path("isheep-store").exists()
    assert shell("run", "run.yaml", "--allow-cpu").exit_code == 0


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("iterations",), "two", "spec.iterations: found"),
        (("engine", "typ"), "VLLM", "spec.engine.typ: this field does not exist"),
        (("selection", "minSamples"), 65, "selection.minSamples is above instructions.count"),
    ],
)
@pytest.mark.parametrize("verb", ["validate", "plan", "run", "status"])
def test_the_error_of_a_bad_file_names_file_line_and_field(shell, verb, path, value, message):
    node = shell.spec
    for name in path[:-1]:
        node = node.setdefault(name, {})
    node[path[-1]] = value
    shell.write()
    lines = Path("run.yaml").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.strip().startswith(f"{path[-1]}:"))

    result = shell(verb, "run.yaml")

    assert result.exit_code == 64
    assert result.stderr.startswith(f"run.yaml:{line}:")
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "run.yaml:"),
        ("", "run.yaml:1:1: the file is empty"),
        ("kind: Pod", "no apiVersion and kind"),
    ],
)
def test_a_file_that_is_not_a_run_is_refused(shell, text, message):
    Path("run.yaml").write_text(text)
    result = shell("validate", "run.yaml")
    assert result.exit_code == 64
    assert message in result.stderr


def test_status_prints_the_status_of_the_custom_resource_or_a_few_lines(finished):
    status = finished.status()
    assert status["phase"] == "Succeeded"
    assert {c["type"] for c in status["conditions"]} == {"Ready", "Complete"}
    text = finished("status", "run.yaml").stdout
    assert text.startswith("lamb: Succeeded")
    assert "iteration 1: accepted 64, kept 2, mean score 8.50" in text
    assert f"  model: {status['modelUri']}\n" in text


def test_status_prints_that_the_model_is_an_adapter(shell):
    shell.spec["training"] = {"handover": "Adapter"}
    shell.write()
    assert shell("run", "run.yaml").exit_code == 0
    (line,) = (s for s in shell("status", "run.yaml").stdout.splitlines() if "model: " in s)
    train = next(stage["key"] for stage in shell.status()["stages"] if stage["id"] == "i1/train")
    assert line.endswith(f"/{train}/files (an adapter, to be loaded with the base model)")


def test_status_prints_that_a_run_is_suspended(shell):
    shell.spec["suspend"] = True
    shell.write()
    assert shell("run", "run.yaml").exit_code == 0
    assert shell("status", "run.yaml").stdout.startswith("lamb: Suspended")


def test_status_of_a_failed_run_prints_what_to_do(shell):
    (shell.control / "i1.respond.0").write_text("fail 64 BadTemplate")
    assert shell("run", "run.yaml").exit_code == 64
    lines = shell("status", "run.yaml").stdout.splitlines()
    assert "  what to do: correct the template that the message names" in lines


def test_status_prints_each_change_of_a_run_until_no_process_executes_it(finished, monkeypatch):
    holders = [7, 7, 8, None]
    monkeypatch.setattr("isheep.local.lock.holder_of", lambda _: holders.pop(0))
    monkeypatch.setattr("time.sleep", lambda _: None)
    result = finished("status", "run.yaml", "--watch")
    assert result.exit_code == 0
    assert holders == []
    running = [line for line in result.stdout.splitlines() if "running on this machine" in line]
    assert [line.split()[-1] for line in running] == ["7", "8"]
    assert result.stdout.count("lamb: Succeeded") == 3


def test_a_watched_status_as_json_has_one_object_a_line(finished):
    (line,) = finished("status", "run.yaml", "-w", "-o", "json").stdout.splitlines()
    assert json.loads(line)["phase"] == "Succeeded"


def test_report_opens_the_page_in_the_browser(finished, monkeypatch):
    opened = []
    monkeypatch.setattr("typer.launch", opened.append)
    result = finished("report", "run.yaml", "--open")
    assert result.exit_code == 0
    (address,) = opened
    assert address.startswith("file:///")
    assert address.endswith("/default/runs/lamb/report.html")
    finished("report", "run.yaml", "-o", "copies/", "--open")
    assert opened[1].endswith("/copies/report.html")


def test_help_has_a_short_option(shell):
    assert shell("-h").stdout == shell("--help").stdout
    assert shell("run", "-h").stdout.startswith("Usage: ")


def test_report_prints_its_location_and_copies_the_page(finished):
    place = finished("report", "run.yaml").stdout.strip()
    assert Path(place).read_text() == "<p>report</p>"
    assert finished("report", "run.yaml", "-o", "out.html").exit_code == 0
    assert Path("out.html").read_text() == "<p>report</p>"
    assert finished("report", "run.yaml", "-o", "-").stdout == "<p>report</p>"
    Path("folder").mkdir()
    for output in (".", "folder", "new/", "other/report.html"):
        assert finished("report", "run.yaml", "-o", output).exit_code == 0
    for folder in (".", "folder", "new", "other"):
        assert Path(folder, "report.html").read_text() == "<p>report</p>"


@pytest.mark.parametrize(
    "arguments", [("status",), ("report",), ("export", "--iteration", "1", "-o", "-")]
)
def test_a_command_on_a_run_that_was_never_started_fails(shell, arguments):
    verb, *options = arguments
    result = shell(verb, "run.yaml", *options)
    assert result.exit_code == 64
    assert "has no run lamb (namespace default): start it with" in result.stderr


def test_report_reads_the_stages_of_a_cluster_run_from_its_store(shell, finished):
    """The store of a run in a cluster has `stages.json` and no `run.json`."""
    keys = {r["id"]: r["key"] for r in shell.status()["stages"]}
    runs = Path("isheep-store/default/runs/lamb")
    (runs / "run.json").unlink()
    (runs / "stages.json").write_text(json.dumps(keys))
    assert shell("report", "run.yaml", "-o", "out.html").exit_code == 0
    assert Path("out.html").read_text() == "<p>report</p>"
    (runs / "stages.json").write_text("[")
    result = shell("report", "run.yaml")
    assert (result.exit_code, "stages.json is damaged" in result.stderr) == (74, True)


def test_report_of_a_run_without_report_fails(shell):
    (shell.control / "prepare.0").write_text("fail 64 ModelNotFound")
    assert shell("run", "run.yaml").exit_code == 64
    result = shell("report", "run.yaml")
    assert (result.exit_code, "has no report yet" in result.stderr) == (64, True)


def test_crd_prints_the_definition(shell):
    document = yaml.safe_load(shell("crd").stdout)
    assert document["spec"]["names"]["kind"] == "SelfAlignmentRun"


def test_version_prints_the_version(shell):
    assert shell("--version").stdout == f"isheep {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("frolic",), "No such command 'frolic'"),
        (("ru", "run.yaml"), "Did you mean 'run'?"),
        (("run",), "Missing argument"),
        (("run", "run.yaml", "--quick"), "No such option"),
        (("export", "run.yaml", "--iteration", "0", "-o", "-"), "greater than or equal to 1"),
        (("run", "run.yaml", "--mirror", "x"), "--mirror 'x': write it as hf://org/name=DIR"),
        (("run", "run.yaml", "--mirror", "hf://a/b=none"), "is not a folder"),
        (("run", "run.yaml", "--config-map", "=x"), "write it as NAME=DIR"),
        (("run", "run.yaml", "--store", "ftp://x"), "--store: store ftp://…: give a folder or s3"),
        (("run", "none.yaml"), "none.yaml:1:1: the file cannot be read"),
    ],
)
def test_wrong_usage_exits_with_bad_input(shell, arguments, message):
    result = shell(*arguments)
    assert result.exit_code == 64
    assert message in result.stderr


def test_a_defect_prints_one_line_and_with_debug_a_traceback(shell, monkeypatch):
    def break_(*_, **__):
        raise RuntimeError("broken\nin two")

    monkeypatch.setattr("isheep.api.reading.loader.load_run", break_)
    result = shell("validate", "run.yaml")
    assert result.exit_code == 70
    assert result.stderr.startswith("isheep: a defect in isheep: RuntimeError: broken\n")
    debugged = shell("--debug", "validate", "run.yaml")
    assert isinstance(debugged.exception, RuntimeError)


def test_a_store_that_cannot_be_written_is_named_in_the_error(shell):
    Path("isheep-store").write_text("a file")
    result = shell("run", "run.yaml")
    assert result.exit_code in (69, 74)
    assert "isheep-store" in result.stderr
    assert "Traceback" not in result.output
