"""Fixtures that render the chart with the real Helm."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "isheep-operator"
BUILD = ROOT / "tests" / "control_plane" / "binaries" / "build.py"
NAMESPACE = "isheep-system"
RELEASE = "isheep-operator"

Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """The objects that one `helm template` has rendered."""

    objects: tuple[Object, ...]

    def __iter__(self) -> Iterator[Object]:
        return iter(self.objects)

    def all(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]

    def one(self, kind: str) -> Any:
        """Return the only object of a kind."""
        (found,) = self.all(kind)
        return found

    @property
    def config(self) -> str:
        """The text of the operator's configuration."""
        return str(self.one("ConfigMap")["data"]["operator.yaml"])

    @property
    def pod(self) -> Any:
        """The operator's pod template."""
        return self.one("Deployment")["spec"]["template"]


@dataclass(frozen=True)
class Chart:
    """The chart of this checkout, and the Helm that renders it."""

    helm: Path
    home: Path
    path: Path = CHART

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> Any:
        """Run Helm; `-f -` in the arguments reads the values."""
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [str(self.helm), *arguments],
            input=json.dumps(values or {}),
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )

    def template(self, values: Mapping[str, Any], *flags: str) -> Any:
        arguments = ("template", RELEASE, str(self.path), "--namespace", NAMESPACE, "-f", "-")
        return self.run(*arguments, *flags, values=values)

    def render(self, values: Mapping[str, Any] | None = None, *flags: str) -> Rendered:
        done = self.template(values or {}, *flags)
        assert done.returncode == 0, done.stderr
        return Rendered(tuple(item for item in yaml.safe_load_all(done.stdout) if item))

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Return Helm's error message for values that the chart must refuse."""
        done = self.template(values)
        assert done.returncode != 0, f"the chart accepts {values}"
        return str(done.stderr)


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    built = subprocess.run(
        [sys.executable, str(BUILD)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-4000:]
    return Chart(Path(built.stdout.strip()) / "helm", tmp_path_factory.mktemp("helm"))
