"""Make a release in a folder: python -m release FOLDER PROGRAMS [options].

PROGRAMS is the folder with helm and syft. Run it in a clean checkout.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from release.checksums import digests, write_sums
from release.commands import ReleaseError
from release.images import BASE, Host, check_images, make_images
from release.packages import make_packages
from release.provenance import ENVELOPE_FILE, STATEMENT_FILE, encode, envelope, statement
from release.sboms import make_sboms
from release.source import read_source

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Make the release; return the exit code."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--images", default="", help="names of images, separated by commas")
    parser.add_argument("--base", default=BASE, help="the image from which the images start")
    parser.add_argument("--certificates", type=Path, help="CA certificates for the builds, in PEM")
    parser.add_argument("--key", type=Path, help="a private Ed25519 key in PEM")
    options = parser.parse_args(arguments)
    try:
        make_release(
            options.folder.resolve(),
            options.programs.resolve(),
            tuple(name for name in options.images.split(",") if name),
            options.key,
            Host(options.base, options.certificates and options.certificates.resolve()),
        )
    except ReleaseError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    print(options.folder)
    return 0


def make_release(
    folder: Path,
    programs: Path,
    images: tuple[str, ...],
    key: Path | None,
    host: Host,
) -> None:
    """Write all files of a release into a new folder.

    Raises:
        ReleaseError: The folder has files, an image has no such name, or a step failed.
    """
    check_images(images)
    if folder.exists() and any(folder.iterdir()):
        raise ReleaseError(f"{folder} has files: remove it, or choose another folder")
    started = datetime.now(UTC)
    source = read_source(ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    make_packages(ROOT, source, folder, uv=Path(sys.prefix) / "bin/uv", helm=programs / "helm")
    bases = make_images(ROOT, source, folder, images, host)
    make_sboms(ROOT, folder, syft=programs / "syft")
    locks = {n: d for n, d in digests(ROOT / "requirements").items() if n.endswith(".txt")}
    payload = encode(
        statement(
            source,
            digests(folder),
            {f"requirements/{name}": digest for name, digest in locks.items()},
            images=bases,
            started=started,
            finished=datetime.now(UTC),
        )
    )
    (folder / STATEMENT_FILE).write_bytes(payload)
    if key is not None:
        signed = envelope(payload, key)
        (folder / ENVELOPE_FILE).write_text(json.dumps(signed, indent=1), "utf-8")
    write_sums(folder, digests(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
