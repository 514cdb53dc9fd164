"""The checkout of a release has one version and no changed file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from release.commands import ReleaseError
from release.source import read_source, read_versions

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.com")


def checkout(folder: Path, chart: str = "0.2.0") -> Path:
    (folder / "charts/isheep-operator").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (folder / "charts/isheep-operator/Chart.yaml").write_text(
        f"version: {chart}\nappVersion: 0.2.0\n"
    )
    for command in (("init", "-q"), ("add", "."), (*WHO, "commit", "-qm", "First")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_a_clean_checkout_has_its_version_and_commit(tmp_path: Path) -> None:
    found = read_source(checkout(tmp_path))
    assert found.version == "0.2.0"
    assert len(found.commit) == 40
    assert found.time > 1_700_000_000


def test_different_versions_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"Chart.yaml version: 0.1.0"):
        read_source(checkout(tmp_path, chart="0.1.0"))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    (root / "new.txt").touch()
    with pytest.raises(ReleaseError, match=r"1 files differ from the commit \(\?\? new.txt"):
        read_source(root)


def test_this_repository_has_one_version() -> None:
    assert len(set(read_versions(Path(__file__).resolve().parents[4]).values())) == 1
