"""Check a downloaded release: the digests of its files, and the provenance with its signature.

Usage: python -m release.verify FOLDER [PUBLIC-KEY]

Without a key, the signature is not checked, and the program says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from release.checksums import SUMS_FILE, digests, read_sums
from release.commands import ReleaseError
from release.provenance import ENVELOPE_FILE, STATEMENT_FILE, opened

_LISTS = frozenset({SUMS_FILE})
_STATEMENTS = frozenset({SUMS_FILE, STATEMENT_FILE, ENVELOPE_FILE})


def verify(folder: Path, key_file: Path | None) -> list[str]:
    """Return what was checked.

    Raises:
        ReleaseError: A file is missing, additional or changed, or the signature is wrong.
    """
    found, expected = digests(folder, _LISTS), read_sums(folder)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise ReleaseError(f"{name} is missing, additional or changed: do not use this release")
    payload = (folder / STATEMENT_FILE).read_bytes()
    if key_file is not None:
        if not (folder / ENVELOPE_FILE).exists():
            raise ReleaseError(f"the release has no {ENVELOPE_FILE}: it is not signed")
        signed = opened(json.loads((folder / ENVELOPE_FILE).read_bytes()), key_file)
        if signed != payload:
            raise ReleaseError(f"{STATEMENT_FILE} is not the signed one: do not use this release")
    document = json.loads(payload)
    subjects = {one["name"]: one["digest"]["sha256"] for one in document["subject"]}
    if subjects != digests(folder, _STATEMENTS):
        raise ReleaseError("the provenance is of other files: do not use this release")
    dependencies = document["predicate"]["buildDefinition"]["resolvedDependencies"]
    return [
        f"{len(expected)} files have the digests in {SUMS_FILE}",
        f"built from commit {dependencies[0]['digest']['gitCommit']}",
        "the signature was not checked: give the public key"
        if key_file is None
        else f"signed with {key_file}",
    ]


def main(arguments: list[str]) -> int:
    """Print what was checked; return the exit code."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: python -m release.verify FOLDER [PUBLIC-KEY]\n")
        return 64
    try:
        lines = verify(Path(arguments[0]), Path(arguments[1]) if arguments[1:] else None)
    except (ReleaseError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
