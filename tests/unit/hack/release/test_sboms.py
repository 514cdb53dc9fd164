"""The lists of packages: each lock by the name that syft reads, and never an empty list."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from release.commands import ReleaseError
from release.sboms import LOCKS, make_sboms, packages

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """#!/bin/sh
for argument; do
  case $argument in
    dir:*) folder=${argument#dir:} ;;
    oci-archive:*) folder=$(dirname "${argument#oci-archive:}") ;;
    --output=spdx-json=*) target=${argument#--output=spdx-json=} ;;
  esac
done
version=$(sed -n 's/^a==//p' "$folder/requirements.txt")
printf '{"packages": [{"name": "a", "versionInfo": "%s"}]}' "$version" > "$target"
"""


@pytest.fixture
def syft(tmp_path: Path) -> Path:
    """A program with the options of syft that lists the package `a` of a lock."""
    program = tmp_path / "syft"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return program


def checkout(folder: Path, content: str) -> Path:
    (folder / "requirements").mkdir(parents=True)
    for lock in LOCKS:
        (folder / f"requirements/{lock}.txt").write_text(content)
    return folder


def test_each_lock_has_its_list(tmp_path: Path, syft: Path) -> None:
    made = tmp_path / "dist"
    made.mkdir()
    make_sboms(checkout(tmp_path / "root", "a==1.2\n"), made, syft=syft)
    assert {path.name for path in made.iterdir()} == {
        f"requirements-{lock}.spdx.json" for lock in LOCKS
    }
    assert packages(made / "requirements-operator.spdx.json") == [("a", "1.2")]


def test_an_empty_list_is_an_error(tmp_path: Path, syft: Path) -> None:
    made = tmp_path / "dist"
    made.mkdir()
    with pytest.raises(ReleaseError, match="no package in requirements-operator"):
        make_sboms(checkout(tmp_path / "root", ""), made, syft=syft)


def test_an_image_whose_list_lacks_the_packages_of_debian_is_an_error(
    tmp_path: Path, syft: Path
) -> None:
    made = tmp_path / "dist"
    made.mkdir()
    (made / "isheep-operator-1.oci.tar").touch()
    (made / "requirements.txt").write_text("a==1.2\n")
    with pytest.raises(ReleaseError, match=r"no package of Debian in isheep-operator-1\.oci\.tar"):
        make_sboms(checkout(tmp_path / "root", "a==1.2\n"), made, syft=syft)


def test_a_package_without_a_version_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"packages": [{"name": "folder"}]}))
    assert packages(path) == []


@pytest.mark.long
def test_the_real_syft_lists_every_package_of_the_locks(tmp_path: Path) -> None:
    build = [sys.executable, ROOT / "tests/control_plane/binaries/build.py", "release"]
    programs = subprocess.run(build, capture_output=True, text=True, check=True).stdout.strip()
    make_sboms(ROOT, tmp_path, syft=Path(programs) / "syft")
    for lock in LOCKS:
        text = (ROOT / f"requirements/{lock}.txt").read_text("utf-8")
        pinned = {line.split("==")[0].lower() for line in text.splitlines() if "==" in line}
        found = {name.lower() for name, _ in packages(tmp_path / f"requirements-{lock}.spdx.json")}
        assert found >= {name.partition("[")[0] for name in pinned}
