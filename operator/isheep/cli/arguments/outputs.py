"""Where a command writes: every `-o PATH` of every command means the same.

`-` is stdout. A folder (one that exists, such as `.`, or a path that ends with `/`) gets a file
with the command's own name for it. Every other path is a file. The writer of a file creates the
folders that are missing above it.
"""

from __future__ import annotations

from pathlib import Path

PIPE = "-"


def is_folder(output: str) -> bool:
    """Return whether an output names a folder."""
    return output != PIPE and (output.endswith("/") or Path(output).is_dir())


def output_file(output: str, name: str) -> Path | None:
    """Return the file that an output names, or None for stdout.

    Args:
        output: The value of the option.
        name: The name of the file in a folder.
    """
    if output == PIPE:
        return None
    return Path(output) / name if is_folder(output) else Path(output)
