"""The checkout from which a release is made: one version, one commit, and no change since."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import yaml

from release.commands import ReleaseError, run

CHART = Path("charts/isheep-operator")


@dataclass(frozen=True)
class Source:
    """The version of the release, its commit, and the time of the commit in epoch seconds.

    The time is that of all files in the archives, so that two builds of a commit have equal bytes.
    """

    version: str
    commit: str
    time: int


def read_source(root: Path) -> Source:
    """Return the source of a release.

    Raises:
        ReleaseError: The versions in the checkout differ, or a file was changed since the commit.
    """
    versions = read_versions(root)
    if len(set(versions.values())) != 1:
        found = ", ".join(f"{place}: {version}" for place, version in versions.items())
        raise ReleaseError(f"a release needs one version, and the checkout has {found}")
    changed = run(["git", "status", "--porcelain"], folder=root).splitlines()
    if changed:
        raise ReleaseError(
            f"{len(changed)} files differ from the commit ({changed[0].strip()}, …): commit or "
            "remove them, because a release must be the content of a commit"
        )
    commit, time = run(["git", "log", "-1", "--format=%H %ct"], folder=root).split()
    return Source(versions["pyproject.toml"], commit, int(time))


def read_versions(root: Path) -> dict[str, str]:
    """Return the versions in a checkout by the place that has them."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    path = CHART / "Chart.yaml"
    chart = yaml.safe_load((root / path).read_text("utf-8"))
    return {
        "pyproject.toml": str(project["version"]),
        **{f"{path} {name}": str(chart[name]) for name in ("version", "appVersion")},
    }
