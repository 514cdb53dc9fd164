"""Programs that a release runs; a failure ends the release with the program's own output."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class ReleaseError(Exception):
    """The release cannot be made; the message says why and what to do."""


def run(
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return its output; its error output is shown as it comes.

    Raises:
        ReleaseError: The program is not installed, or it ended with another code than 0.
    """
    text = shlex.join(map(str, command))
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ReleaseError(f"{command[0]} is not installed, and `{text}` needs it") from error
    if done.returncode:
        raise ReleaseError(f"`{text}` ended with code {done.returncode}:\n{done.stdout}")
    return done.stdout
