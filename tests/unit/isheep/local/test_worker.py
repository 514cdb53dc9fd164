"""One worker process: its messages, its death and its end."""

import sys
import time
from pathlib import Path

import pytest

from isheep.contract.order import RunRef, Runtime, Sources, StageOrder, Step
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.local.inbox import StopRequested
from isheep.local.worker import Inbox, ProcessEnd, ProgressReport, ResultReport, Worker

PRINT_LINES = "import sys\nfor line in {lines!r}: print(line, flush=True)\n"


def worker(tmp_path, program, inbox):
    return Worker(
        (sys.executable, "-c", program), environment={}, log=tmp_path / "w" / "log", inbox=inbox
    )


def received(tmp_path, program):
    inbox = Inbox()
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
    inbox = Inbox()
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
    inbox = Inbox()
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


ANSWER_ROOM = """
import json, sys
for line in sys.stdin:
    if "roomFor" in json.loads(line):
        print('{"type":"room","keeps":%s}', flush=True)
"""


def an_order(kind="train", adapter_rank=8):
    model = {"model": {"baseModel": "m"}} if kind != "train" else {}
    return StageOrder(
        run=RunRef(namespace="n", name="r", uid="u"),
        attempt=1,
        store=StoreSpec(folder=FolderStoreSpec(path="/store")),
        sources=Sources(model="hf://org/model"),
        runtime=Runtime(adapter_rank=adapter_rank),
        stage_versions={},
        steps=(Step(id=f"i1/{kind}", kind=kind, version=1, key="k", iteration=1, settings=model),),
    )


@pytest.mark.parametrize(
    ("answer", "adapter_rank", "keeps"),
    [("true", 8, True), ("false", 8, False), ("true", None, False)],
)
def test_a_process_with_an_engine_for_adapters_may_keep_it(tmp_path, answer, adapter_rank, keeps):
    made = worker(tmp_path, ANSWER_ROOM % answer, Inbox())
    # A process without an engine is not asked.
    assert not made.make_room(an_order())
    made.send(an_order("respond", adapter_rank))
    assert made.make_room(an_order()) is keeps
    made.end()
    assert not made.make_room(an_order())


def test_a_process_that_ends_or_does_not_answer_keeps_no_engine(tmp_path, monkeypatch):
    monkeypatch.setattr("isheep.local.worker.ROOM_SECONDS", 0.2)
    silent = worker(tmp_path, "import sys; sys.stdin.read()", Inbox())
    silent.send(an_order("respond"))
    assert not silent.make_room(an_order())
    silent.end()
    monkeypatch.setattr("isheep.local.worker.ROOM_SECONDS", 600)
    ending = worker(tmp_path, "input(); input()", Inbox())
    ending.send(an_order("respond"))
    assert not ending.make_room(an_order())
    ending.end()


REPORT_ROOM = """
import json, sys
for line in sys.stdin:
    if "roomFor" in json.loads(line):
        print('{"type":"progress","stage":"s","itemsDone":1}', flush=True)
"""


def test_a_stop_ends_the_wait_for_an_answer_and_no_message_is_lost(tmp_path):
    class StopsAtAReport(Inbox):
        def put(self, message):
            super().put(message)
            if isinstance(message, ProgressReport):
                super().put(StopRequested())

    inbox = StopsAtAReport(clock=lambda: 0.0)  # the wait never reaches its limit
    silent = worker(tmp_path, REPORT_ROOM, inbox)
    silent.send(an_order("respond"))
    assert not silent.make_room(an_order())
    # Without a request for room, the process reports nothing more.
    assert not silent.make_room(an_order())
    assert isinstance(inbox.get(timeout=60), ProgressReport)
    assert inbox.get(timeout=60) == StopRequested()
    silent.end()
    assert isinstance(inbox.get(timeout=60), ProcessEnd)
