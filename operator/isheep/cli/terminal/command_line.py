"""Command lines in messages, quoted so that a user can paste them into a shell.

A message names the program as the user started it: `isheep` if this is the program in PATH, and
otherwise its path, such as that in a virtual environment.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def command_line(*arguments: object) -> str:
    """Return the command line of `isheep` with these arguments."""
    return shlex.join([_program(sys.argv[0]), *map(str, arguments)])


def this_command_line() -> str:
    """Return the command line of this process."""
    return command_line(*sys.argv[1:])


def _program(given: str) -> str:
    program = Path(given)
    found = shutil.which(program.name)
    known = found is not None and program.exists() and program.samefile(found)
    return program.name if known else str(program)
