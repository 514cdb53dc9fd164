"""The packages in a release, as SPDX documents that syft writes.

An image's list comes from its files. The wheel contains no other package, so the list of its
packages is that of the locks, with which the images and `make demo` install it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from release.commands import ReleaseError, run

LOCKS = ("operator", "worker-gpu", "worker-cpu")
_QUIET = {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
_RECOGNISED = "requirements.txt"
"""syft reads a lock only if its file has such a name."""
_DEBIAN = "pkg:deb/"
"""How an SPDX document refers to a package of Debian."""


def make_sboms(root: Path, folder: Path, *, syft: Path) -> None:
    """Write an SPDX document for each image archive in the folder and for each lock.

    Raises:
        ReleaseError: syft failed, or found no package, or none of Debian in an image.
    """
    for archive in sorted(folder.glob("*.oci.tar")):
        made = _write(syft, f"oci-archive:{archive}", archive.name, folder)
        if _DEBIAN not in made.read_text("utf-8"):
            raise ReleaseError(
                f"syft found no package of Debian in {archive.name}, such as OpenSSL: see "
                "images/operator/root_filesystem.py"
            )
    for lock in LOCKS:
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copyfile(root / f"requirements/{lock}.txt", Path(scratch) / _RECOGNISED)
            _write(syft, f"dir:{scratch}", f"requirements-{lock}", folder)


def packages(path: Path) -> list[tuple[str, str]]:
    """Return the names and versions of the packages in an SPDX document."""
    found = json.loads(path.read_text("utf-8"))["packages"]
    return [(one["name"], one["versionInfo"]) for one in found if one.get("versionInfo")]


def _write(syft: Path, scanned: str, name: str, folder: Path) -> Path:
    target = folder / f"{name}.spdx.json"
    run(
        [syft, "scan", "--quiet", scanned, f"--source-name={name}", f"--output=spdx-json={target}"],
        environment=_QUIET,
    )
    if not packages(target):
        raise ReleaseError(f"syft found no package in {name}")
    return target
