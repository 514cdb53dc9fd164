"""Structured logs: both formats, and that each record is one line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from isheep.logs import LogFormat, configure_logs, log_event

LOGGER = logging.getLogger("isheep.test")


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(log_format: LogFormat, level: int = logging.INFO) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(log_format, level, stream)
    return stream


def test_a_text_line_has_time_level_logger_message_and_fields() -> None:
    stream = logged("Text")
    log_event(LOGGER, logging.INFO, "Job created", run="a", attempt=2, key=None, why="two words")
    time, rest = stream.getvalue().rstrip("\n").split(" ", 1)
    assert time.endswith("Z")
    assert rest == 'INFO isheep.test Job created run=a attempt=2 why="two words"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", '""'),
        ('say "x"', '"say \\"x\\""'),
        ("a=b", '"a=b"'),
        ("a\nb", '"a\\nb"'),
        ("a\x1b[31mb", '"a\\u001b[31mb"'),
        ("a\x9bb", '"a\\u009bb"'),
        (1.5, "1.5"),
    ],
)
def test_a_value_that_could_be_misread_is_quoted(value: object, text: str) -> None:
    stream = logged("Text")
    log_event(LOGGER, logging.INFO, "m", value=value)
    assert stream.getvalue().endswith(f" m value={text}\n")
    assert stream.getvalue().count("\n") == 1


def test_a_json_line_is_one_object_with_the_same_fields() -> None:
    stream = logged("Json")
    log_event(LOGGER, logging.WARNING, "Job rejected", run="ä", times=3, error="a\nb")
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert document.pop("time").endswith("Z")
    assert document == {
        "level": "WARNING",
        "logger": "isheep.test",
        "message": "Job rejected",
        "run": "ä",
        "times": 3,
        "error": "a\nb",
    }


@pytest.mark.parametrize("log_format", ["Text", "Json"])
def test_an_exception_is_logged_with_its_traceback(log_format: LogFormat) -> None:
    stream = logged(log_format)
    try:
        int("wrong")
    except ValueError:
        LOGGER.exception("it failed")
    assert "ValueError: invalid literal" in stream.getvalue()
    assert "test_logs.py" in stream.getvalue()


def test_records_below_the_level_are_not_logged() -> None:
    stream = logged("Text")
    log_event(LOGGER, logging.DEBUG, "m", why="x")
    assert stream.getvalue() == ""


def test_a_message_of_somebody_else_stays_on_one_line() -> None:
    stream = logged("Text")
    LOGGER.warning("the pass failed: %s", "no\n2026-01-01T00:00:00Z INFO forged\x1b[2J \u4e2d")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("no\\n2026-01-01T00:00:00Z INFO forged\\u001b[2J \u4e2d")
