"""Files between worker and sandbox, which the worker reads as hostile input."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from isheep_worker.sandbox.exchange import (
    PROGRAM_BYTES,
    VERDICT_BYTES,
    ExchangeError,
    Folders,
    Program,
    folders_of,
    names_in,
    read_program,
    read_verdict,
    write_program,
    write_verdict,
)
from isheep_worker.sandbox.limits import Limits
from isheep_worker.sandbox.process import Verdict

NAME = "ab" * 16


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    found = folders_of(tmp_path)
    found.programs.mkdir()
    found.verdicts.mkdir()
    return found


@pytest.mark.parametrize("text", ["x = 1\n", "", "é \ud800 \x00 '"])
def test_a_program_arrives_as_it_was(folders: Folders, text: str) -> None:
    write_program(folders, NAME, Program(text, Limits(2, 7.5)))
    assert read_program(folders, NAME) == Program(text, Limits(2, 7.5))
    assert names_in(folders.programs) == [NAME]


def test_the_other_user_can_read_a_program(folders: Folders) -> None:
    before = os.umask(0o077)
    try:
        write_program(folders, NAME, Program("", Limits()))
    finally:
        os.umask(before)
    assert stat.S_IMODE((folders.programs / NAME).stat().st_mode) == 0o644


def test_a_long_program_is_not_sent(folders: Folders) -> None:
    with pytest.raises(ExchangeError, match="at most"):
        write_program(folders, NAME, Program("x" * PROGRAM_BYTES, Limits()))
    assert names_in(folders.programs) == []


def test_a_verdict_arrives_and_is_short(folders: Folders) -> None:
    assert read_verdict(folders, NAME) is None
    write_verdict(folders, NAME, Verdict(False, "é" * 10_000))
    assert read_verdict(folders, NAME) == Verdict(False, "é" * 300)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not JSON"),
        ("\udcff", "is not JSON"),
        ("[true, 1]", "is not an object"),
        ("[" * 4000, "is not JSON"),
        ('{"passed": true}', "other fields"),
        ('{"passed": 1, "result": ""}', "other fields"),
        ('{"passed": true, "result": "", "score": 1}', "other fields"),
        ('{"passed": true, "result": 5}', "not a short text"),
        ('{"passed": true, "result": "%s"}' % ("x" * 301), "not a short text"),
        ('{"passed": true, "result": ""}' + " " * VERDICT_BYTES, "more than"),
    ],
)
def test_another_text_is_no_verdict(folders: Folders, content: str, problem: str) -> None:
    (folders.verdicts / NAME).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ExchangeError, match=problem):
        read_verdict(folders, NAME)


def test_a_link_is_not_followed(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text('{"passed": true, "result": ""}')
    (folders.verdicts / NAME).symlink_to(tmp_path / "mine")
    with pytest.raises(ExchangeError, match="cannot be opened"):
        read_verdict(folders, NAME)


def test_only_a_file_is_read(folders: Folders) -> None:
    """A pipe must not block the worker."""
    os.mkfifo(folders.verdicts / NAME)
    with pytest.raises(ExchangeError, match="not a regular file"):
        read_verdict(folders, NAME)
    (folders.verdicts / NAME).unlink()
    (folders.verdicts / NAME).mkdir()
    with pytest.raises(ExchangeError, match="not a regular file"):
        read_verdict(folders, NAME)


def test_other_names_are_no_programs(folders: Folders) -> None:
    for name in (f".{NAME}", "ready", "..", "A" * 32):
        if name != "..":
            (folders.programs / name).write_text("")
    assert names_in(folders.programs) == []
    assert names_in(folders.programs / "missing") == []
