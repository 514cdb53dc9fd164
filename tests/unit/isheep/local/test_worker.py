"""One worker process: its messages, its death and its end."""

import sys
import time
from pathlib import Path
from queue import SimpleQueue

import pytest

from isheep.local.worker import ProcessEnd, ProgressReport, ResultReport, Worker

PRINT_LINES = "import sys\nfor line in {lines!r}: print(line, flush=True)\n"


def worker(tmp_path, program, inbox):
    return Worker(
        (sys.executable, "-c", program), environment={}, log=tmp_path / "w" / "log", inbox=inbox
    )


def received(tmp_path, program):
    inbox = SimpleQueue()
    made = worker(tmp_path, program, inbox)
    messages = []
    while not messages or not isinstance(messages[-1], ProcessEnd):
        messages.append(inbox.get(timeout=60))
    made.end()
    return messages


def test_lines_become_messages_and_other_lines_are_ignored(tmp_path):
    lines = [
        '{"type":"progress","stage":"i1/respond","itemsDone":3,"itemsTotal":null,'
        '"activity":"load","detail":"x"}',
        "a line of a library",
        '{"type":"progress"}',
        "[]",
        "7",
        '{"type":"result","result":{"outcome":"Unknown"},"exitCode":0}',
        '{"type":"result","result":{"outcome":"Committed","later":1},"exitCode":0}',
    ]
    report, result, end = received(tmp_path, PRINT_LINES.format(lines=lines))
    assert isinstance(report, ProgressReport)
    assert (report.items_done, report.items_total, report.activity) == (3, None, "load")
    assert isinstance(result, ResultReport)
    assert (result.result.outcome, result.exit_code) == ("Committed", 0)
    assert end.exit_code == 0


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import sys; sys.exit(70)", 70),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
)
def test_the_exit_code_of_a_process_is_that_of_a_shell(tmp_path, program, code):
    (end,) = received(tmp_path, program)
    assert end.exit_code == code


def test_the_tail_of_the_log_is_bounded(tmp_path):
    inbox = SimpleQueue()
    made = worker(tmp_path, "import sys\nfor n in range(9999): print(n, file=sys.stderr)", inbox)
    assert isinstance(inbox.get(timeout=60), ProcessEnd)
    assert made.tail().splitlines()[-1] == "9998"
    assert len(made.tail().splitlines()) == 12


def test_a_process_that_does_not_end_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr("isheep.local.worker.END_SECONDS", 0.2)
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        'print(\'{"type":"progress","stage":"s","itemsDone":%d}\' % child.pid, flush=True)\n'
        "time.sleep(600)\n"
    )
    inbox = SimpleQueue()
    made = Worker(
        (sys.executable, "-c", program),
        environment={"PATH": "/usr/bin:/bin"},
        log=tmp_path / "log",
        inbox=inbox,
    )
    child = inbox.get(timeout=60).items_done

    made.end()

    assert not made.alive
    # A killed process ends when the kernel next schedules it. The child is an orphan, which may
    # stay a zombie for some time, so a zombie counts as ended.
    deadline = time.monotonic() + 60
    while _state(child) not in {None, "Z"}:
        assert time.monotonic() < deadline, "the child still runs"
        time.sleep(0.01)


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None
