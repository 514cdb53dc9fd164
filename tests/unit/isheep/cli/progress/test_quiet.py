"""`isheep run --quiet` and `--verbose`."""

import re
from datetime import UTC, datetime

import pytest

from isheep.cli.progress.quiet import QuietView
from isheep.local.events import AttemptEnd, AttemptView, WorkerView

START = datetime(2030, 1, 1, tzinfo=UTC)
TIME = "2030-01-01T00:00:00Z"


def end(error=None, stopped_at=None):
    return AttemptEnd("a", ("i1/respond",), 1, 12.0, 64, False, error, stopped_at)


def test_the_quiet_view_prints_failed_attempts_and_notes_only():
    lines = []
    view = QuietView(lines.append, lambda: START)
    attempt = AttemptView("a", "i1/respond", 1, START, 3, 64, (WorkerView(0, "engine", ""),))
    view.started(attempt)
    view.progressed(attempt)
    view.ended(end())
    view.ended(end("stopped: on request", "i1/respond"))
    view.ended(end("it died"))
    view.note("stopping at the next safe point")
    assert lines == [
        f"{TIME} i1/respond: attempt 1 failed after 12 s",
        f"{TIME}   it died",
        f"{TIME} stopping at the next safe point",
    ]


def test_a_quiet_run_prints_one_line_if_nothing_is_wrong(two_runs):
    for option in ("-q", "--quiet"):
        result = two_runs("run", "run.yaml", option)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "lamb: every stage is committed\n"


def test_a_quiet_run_prints_warnings_and_errors(shell):
    shell.spec["training"] = {"effectiveBatchSize": 17}
    shell.write()
    (shell.control / "prepare.0").write_text("fail 64 BadTemplate")
    result = shell("run", "run.yaml", "-q", "--set", "spec.selection.threshold=3")
    assert result.exit_code == 64
    assert result.stdout == "to resume after that: isheep run run.yaml\n"
    first, *_, last = result.stderr.splitlines()
    assert "effectiveBatchSize: warning: " in first
    assert last.startswith("isheep: lamb: Stalled. BadTemplate: ")
    assert ": started" not in result.stderr


def test_a_verbose_run_prints_the_lines_of_its_workers(shell):
    result = shell("run", "run.yaml", "-v", "--until", "prepare")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    begin = next(i for i, line in enumerate(lines) if "prepare: started" in line)
    done = next(i for i, line in enumerate(lines) if re.search("prepare: done", line))
    assert "  worker 0: ready" in lines[begin:done]


@pytest.mark.usefixtures("shell")
def test_quiet_and_verbose_exclude_each_other(shell):
    result = shell("run", "run.yaml", "-q", "-v")
    assert result.exit_code == 64
    assert "--quiet and --verbose exclude each other" in result.stderr
