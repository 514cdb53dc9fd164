"""The command line in a temporary folder, with the fake worker of the local driver's tests."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from isheep.cli.app import app

FAKE_WORKER = Path(__file__).parents[1] / "local" / "fake_worker.py"


class Shell:
    """`isheep` in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = folder / "control"
        self.spec = {
            "recipe": "ISheep",
            "iterations": 1,
            "model": {"storageUri": "hf://org/tiny"},
            "engine": {"type": "Transformers"},
            "instructions": {"count": 64},
            "selection": {"minSamples": 1},
        }

    def write(self) -> None:
        document = {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": "lamb"},
            "spec": self.spec,
        }
        Path("run.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    def status(self) -> dict:
        return json.loads(self("status", "run.yaml", "-o", "json").stdout)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    made = Shell(tmp_path)
    made.control.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FAKE_ORDERS", str(made.control))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("ISHEEP_MIRRORS", raising=False)
    monkeypatch.setattr("isheep.local.session.WORKER_COMMAND", (sys.executable, str(FAKE_WORKER)))
    monkeypatch.setattr("sys.argv", ["isheep", "run", "run.yaml"])
    made.write()
    return made


@pytest.fixture
def finished(shell: Shell) -> Shell:
    """A finished run of one iteration."""
    result = shell("run", "run.yaml")
    assert result.exit_code == 0, result.output
    return shell
