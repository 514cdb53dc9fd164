"""The image of the operator names Debian's packages for scanners, with this machine's dpkg."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SPEC = importlib.util.spec_from_file_location(
    "root_filesystem", ROOT / "images/operator/root_filesystem.py"
)
assert SPEC is not None
assert SPEC.loader is not None
root_filesystem = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(root_filesystem)


def test_the_packages_of_files_are_found_on_a_merged_usr(tmp_path: Path) -> None:
    (libc,) = {
        path.name: path
        for path in root_filesystem._libraries([Path("/usr/bin/env")])
        if path.name.startswith("libc.so")
    }.values()
    program = Path(shutil.which("dpkg-query") or "")
    assert root_filesystem.packages_of([libc, program]) == {"libc6", "dpkg"}
    assert root_filesystem.packages_of([tmp_path / "nothing"]) == set()


def test_each_package_has_its_version_for_scanners(tmp_path: Path) -> None:
    root_filesystem.describe_packages({"dpkg"}, tmp_path)
    (file,) = (tmp_path / "var/lib/dpkg").rglob("status.d/*")
    lines = file.read_text().splitlines()
    assert lines[0] == "Package: dpkg"
    assert any(line.startswith("Version: ") for line in lines)
