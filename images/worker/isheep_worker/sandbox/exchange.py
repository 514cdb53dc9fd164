"""The folder through which programs reach the sandbox and verdicts come back.

It has two folders: the worker writes `programs`, and the sandbox writes `verdicts`. On a cluster
each is a volume that the other side mounts read-only. So each side removes its own files: the
worker a program whose verdict it has read, the sandbox a verdict whose program is gone.

A file appears complete, by a rename. The worker reads verdicts as hostile input, because they come
from where generated code runs. The folder of a local sandbox has the same layout.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from isheep_worker.sandbox.limits import Limits
from isheep_worker.sandbox.process import Verdict

READY = "ready"
"""The name of the sandbox's first verdict, which says whether it can confine programs."""
PROGRAM_BYTES = 1 << 20
"""The largest program file; a program of a benchmark has a few thousand bytes."""
VERDICT_BYTES = 4096
_NAME = re.compile(r"[0-9a-f]{32}")
_RESULT_CHARACTERS = 300


class ExchangeError(Exception):
    """A file of the other side does not follow the protocol; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run, and its limits."""

    text: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Folders:
    """The two folders of an exchange."""

    programs: Path
    verdicts: Path


def folders_of(folder: Path) -> Folders:
    """Return the two folders of an exchange."""
    return Folders(folder / "programs", folder / "verdicts")


def write_program(folders: Folders, name: str, program: Program) -> None:
    """Write a program, which any user may read: the sandbox is another user.

    Raises:
        ExchangeError: The program is too long.
    """
    _publish(folders.programs / name, asdict(program), PROGRAM_BYTES)


def read_program(folders: Folders, name: str) -> Program:
    """Read a program; raises `ExchangeError` or `FileNotFoundError`."""
    found = _document(folders.programs / name, PROGRAM_BYTES)
    try:
        return Program(str(found["text"]), Limits(**cast("dict[str, Any]", found["limits"])))
    except (KeyError, TypeError) as error:
        raise ExchangeError(f"the program {name} has other fields than text and limits") from error


def write_verdict(folders: Folders, name: str, verdict: Verdict) -> None:
    """Write a verdict."""
    short = Verdict(verdict.passed, verdict.result[:_RESULT_CHARACTERS])
    _publish(folders.verdicts / name, asdict(short), VERDICT_BYTES)


def read_verdict(folders: Folders, name: str) -> Verdict | None:
    """Read a verdict; None if there is none yet.

    Raises:
        ExchangeError: The file is not a verdict.
    """
    try:
        found = _document(folders.verdicts / name, VERDICT_BYTES)
    except FileNotFoundError:
        return None
    passed, result = found.get("passed"), found.get("result")
    if set(found) != {"passed", "result"} or not isinstance(passed, bool):
        raise ExchangeError(f"the verdict {name} has other fields than passed and result")
    if not isinstance(result, str) or len(result) > _RESULT_CHARACTERS:
        raise ExchangeError(f"the result in the verdict {name} is not a short text")
    return Verdict(passed, result)


def names_in(folder: Path) -> list[str]:
    """Return the names of programs or verdicts in a folder, in order; empty without the folder."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def _publish(path: Path, document: object, limit: int) -> None:
    # ASCII, because a generated program can contain lone surrogates.
    content = json.dumps(document).encode("ascii")
    if len(content) > limit:
        raise ExchangeError(f"{path.name} has {len(content)} bytes; at most {limit} are possible")
    partial = path.with_name(f".{path.name}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o644)  # The umask may hide the file from the other side.
        file.write(content)
    partial.replace(path)


def _document(path: Path, limit: int) -> dict[str, object]:
    """Read a file of the other side: a small regular file with an object of JSON."""
    try:
        # A FIFO would block without O_NONBLOCK.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ExchangeError(f"{path.name} cannot be opened ({error.strerror})") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ExchangeError(f"{path.name} is not a regular file")
        content = os.read(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise ExchangeError(f"{path.name} has more than {limit} bytes")
    try:
        found = json.loads(content)
    # Deeply nested JSON ends in a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ExchangeError(f"{path.name} is not JSON") from error
    if not isinstance(found, dict):
        raise ExchangeError(f"{path.name} is not an object of JSON")
    return found
