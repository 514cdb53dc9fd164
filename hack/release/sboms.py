"""The packages in a release, as SPDX documents that syft writes.

An image's list comes from its files. The wheel contains no other package, so the list of its
packages is that of the locks, with which the images and `make demo` install it.
"""

from __future__ import annotations

from pathlib import Path

from release.commands import run

_QUIET = {"SYFT_CHECK_FOR_APP_UPDATE": "false"}


def make_sboms(root: Path, folder: Path, *, syft: Path) -> None:
    """Write an SPDX document for each image archive in the folder and for each lock.

    Raises:
        ReleaseError: syft failed.
    """
    for archive in sorted(folder.glob("*.oci.tar")):
        _write(syft, f"oci-archive:{archive}", folder / f"{archive.name}.spdx.json")
    for lock in ("operator", "worker-gpu", "worker-cpu"):
        path = root / "requirements" / f"{lock}.txt"
        _write(syft, f"file:{path}", folder / f"requirements-{lock}.spdx.json")


def _write(syft: Path, scanned: str, target: Path) -> None:
    run([syft, "scan", "--quiet", scanned, f"--output=spdx-json={target}"], environment=_QUIET)
