"""The lines that workers add to their log files."""

from datetime import UTC, datetime

import pytest

from isheep.cli.progress.log_lines import MAX_BYTES, LogLines
from isheep.local.events import AttemptView, WorkerView

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "001.log"


def view(name, *logs):
    workers = tuple(WorkerView(i, "engine", "", log) for i, log in enumerate(logs))
    return AttemptView(name, "i1/respond", 1, START, 0, None, workers)


def add(log, content):
    with log.open("ab") as file:
        file.write(content)


def test_each_line_is_read_once_when_it_is_complete(log):
    lines, attempt = LogLines(), view("a", log, log.with_name("none.log"))
    assert list(lines.new(attempt)) == []
    add(log, b"one\ntw")
    assert list(lines.new(attempt)) == ["  worker 0: one"]
    assert list(lines.new(attempt)) == []
    add(log, b"o\n")
    assert list(lines.new(attempt)) == ["  worker 0: two"]
    add(log, b"three\nfour")
    assert list(lines.rest("a")) == ["  worker 0: three", "  worker 0: four"]
    assert list(lines.rest("a")) == []


def test_the_next_attempt_of_the_same_process_continues(log):
    lines = LogLines()
    add(log, b"one\n")
    assert list(lines.new(view("a", log))) == ["  worker 0: one"]
    assert list(lines.rest("a")) == []
    add(log, b"two\n")
    assert list(lines.new(view("b", log))) == ["  worker 0: two"]


def test_hostile_text_and_progress_bars_are_one_printable_line(log):
    lines = LogLines()
    add(log, b"10%\r50%\r100%\nred \x1b[31m \xff\n\n")
    assert list(lines.new(view("a", log))) == [
        "  worker 0: 100%",
        "  worker 0: red ?[31m \N{REPLACEMENT CHARACTER}",
        "  worker 0: ",
    ]


def test_of_very_much_new_text_the_end_is_read(log):
    lines = LogLines()
    add(log, b"x" * MAX_BYTES + b"\nlast\n")
    found = list(lines.new(view("a", log)))
    assert found[-1] == "  worker 0: last"
    assert sum(map(len, found)) < MAX_BYTES + 100
    assert list(lines.new(view("a", log))) == []


def test_a_worker_without_a_log_file_has_no_lines():
    assert list(LogLines().new(view("a", None))) == []
