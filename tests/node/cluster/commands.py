"""Runs programs, so that a failure says which, with what, and what it said."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


class ClusterError(Exception):
    """What is wrong with the cluster or with this machine, for the one who asked for it."""


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it printed."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, input=stdin, env=env, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ClusterError(
            f"{words[0]} is missing: `python3 hack/doctor.py node` says what to install"
        ) from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-4000:]
        raise ClusterError(f"`{' '.join(words)}` failed ({done.returncode}): {said}")
    return done.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Say whether a program that only asks something answers yes."""
    return (
        subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode
        == 0
    )
