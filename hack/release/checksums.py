"""SHA256SUMS: the digests of all files of a release, in the form that `sha256sum -c` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

SUMS_FILE = "SHA256SUMS"


def digests(folder: Path, without: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder by name, in the order of the names."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name not in without:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def write_sums(folder: Path, found: dict[str, str]) -> None:
    """Write the digests into the file that `sha256sum -c` reads."""
    lines = [f"{digest}  {name}\n" for name, digest in found.items()]
    (folder / SUMS_FILE).write_text("".join(lines), "utf-8")


def read_sums(folder: Path) -> dict[str, str]:
    """Return the digests in the file by name."""
    lines = (folder / SUMS_FILE).read_text("utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
