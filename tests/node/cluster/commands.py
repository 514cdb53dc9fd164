"""Runs programs. The error of a failure has the command, the exit code and the output."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


class ClusterError(Exception):
    """A problem of the cluster or of this machine, with a message for the user."""


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    Raises:
        ClusterError: The program is missing, or its exit code is not 0.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, input=stdin, env=env, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ClusterError(
            f"{words[0]} is missing: `python3 hack/doctor.py node` prints how to install it"
        ) from None
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()[-4000:]
        raise ClusterError(f"`{' '.join(words)}` failed ({done.returncode}): {output}")
    return done.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Return whether the exit code of a program is 0."""
    return (
        subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode
        == 0
    )
