"""The command line in a temporary folder, with the fake worker of the local driver's tests."""

import json
import shutil
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
            "yardstick": {"items": 0},
        }

    def write(self) -> None:
        document = {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": "lamb"},
            "spec": self.spec,
        }
        Path("run.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def write_other(self, threshold: float = 2) -> None:
        """Write the file of a second run, with another threshold."""
        document = yaml.safe_load(Path("run.yaml").read_text())
        document["metadata"]["name"] = "other"
        document["spec"]["selection"] = {"minSamples": 1, "threshold": threshold}
        Path("other.yaml").write_text(yaml.safe_dump(document))

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    def status(self) -> dict:
        return json.loads(self("status", "run.yaml", "-o", "json").stdout)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return new_shell(tmp_path, monkeypatch)


def new_shell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a shell in a folder, which is the working directory from now on."""
    made = Shell(folder)
    made.control.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("FAKE_ORDERS", str(made.control))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("ISHEEP_MIRRORS", raising=False)
    monkeypatch.setattr("isheep.local.session.WORKER_COMMAND", (sys.executable, str(FAKE_WORKER)))
    monkeypatch.setattr("sys.argv", ["isheep", "run", "run.yaml"])
    made.write()
    return made


@pytest.fixture(scope="session")
def _folder_of_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store of a finished run; a test must not change it."""
    return _finished_runs(tmp_path_factory.mktemp("one-run"), "run.yaml")


@pytest.fixture(scope="session")
def _folder_of_two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and the store of two finished runs; a test must not change it."""
    return _finished_runs(tmp_path_factory.mktemp("two-runs"), "run.yaml", "other.yaml")


def _finished_runs(folder: Path, *files: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        made = new_shell(folder, patch)
        made.write_other()
        for file in files:
            result = made("run", file)
            assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def finished(shell: Shell, _folder_of_a_run: Path) -> Shell:
    """A finished run of one iteration."""
    _copy_store(_folder_of_a_run, shell.folder)
    return shell


@pytest.fixture
def two_runs(shell: Shell, _folder_of_two_runs: Path) -> Shell:
    """Two finished runs, `lamb` and `other`, which differ in their thresholds."""
    _copy_store(_folder_of_two_runs, shell.folder)
    shutil.copy(_folder_of_two_runs / "other.yaml", shell.folder)
    return shell


def _copy_store(source: Path, target: Path) -> None:
    """Copy the store of a folder, as a user moves a store."""
    shutil.copytree(source / "isheep-store", target / "isheep-store", symlinks=True)
