"""`isheep push` with a hub on this machine."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from isheep.cli.app import app


def _stub() -> ModuleType:
    """Load the stub, which is next to the tests of the package that uses the hub."""
    path = Path(__file__).parents[2] / "export/hub_stub.py"
    spec = importlib.util.spec_from_file_location("hub_stub", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


STUB = _stub()
PAGE = Path(__file__).parents[5] / "docs/how-to/export-the-data.md"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    with STUB.running_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", STUB.TOKEN)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        # The stub has the LFS protocol; Xet is a native client with a protocol of its own.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: other\n---\n")
    (folder / "train.jsonl").write_text('{"a": 1}\n' * 3_000)
    (folder / ".cache").mkdir()
    (folder / ".cache/secret").write_text("x")
    (folder / ".env").write_text("x")
    return folder


def push(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["push", *arguments])


def test_a_push_creates_the_repository_and_uploads_small_and_large_files(
    hub: Any, dataset: Path
) -> None:
    result = push("d", "--repo", "org/data", "--private")
    assert result.exit_code == 0, result.output
    assert result.stdout == "d: pushed to the dataset org/data, commit c1\n"
    assert hub.files("org/data") == {
        name: (dataset / name).read_bytes() for name in ("README.md", "train.jsonl")
    }
    assert hub.repositories["org/data"]["private"]
    assert hub.repositories["org/data"]["type"] == "dataset"
    assert "POST /datasets/org/data.git/info/lfs/objects/batch" in hub.requests
    assert STUB.TOKEN not in result.output


def test_a_second_push_commits_only_what_has_changed(hub: Any, dataset: Path) -> None:
    push("d", "--repo", "org/data")
    again = push("d", "--repo", "org/data")
    assert again.exit_code == 0, again.output
    assert again.stdout.endswith("commit c1\n")
    assert hub.commits("org/data") == 1
    (dataset / "README.md").write_text("---\nlicense: mit\n---\n")
    assert push("d", "--repo", "org/data").stdout.endswith("commit c2\n")
    assert hub.files("org/data")["README.md"].startswith(b"---\nlicense: mit")


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json"])
def test_the_files_decide_that_the_repository_is_that_of_a_model(
    hub: Any, dataset: Path, name: str
) -> None:
    (dataset / name).write_text(json.dumps({"r": 8}))
    assert "pushed to the model org/m" in push("d", "--repo", "org/m").stdout
    assert hub.repositories["org/m"]["type"] == "model"
    assert "the dataset org/d" in push("d", "--repo", "org/d", "--type", "dataset").stdout


def test_a_public_repository_is_refused_if_it_has_to_be_private(hub: Any, dataset: Path) -> None:
    push("d", "--repo", "org/data")
    result = push("d", "--repo", "org/data", "--private")
    assert result.exit_code == 64
    assert "org/data exists and is public" in result.stderr


def test_without_a_token_nothing_is_sent_and_the_message_says_what_to_set(
    hub: Any, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    result = push("d", "--repo", "org/data")
    assert result.exit_code == 64
    assert result.stderr.startswith("isheep: there is no token for the hub; set the environment")
    assert hub.requests == []


def test_a_token_that_the_hub_does_not_accept_is_bad_input(
    hub: Any, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    result = push("d", "--repo", "org/data")
    assert result.exit_code == 64
    assert "org/data: the hub does not accept the token" in result.stderr
    assert "hf_wrong" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("none", "--repo", "org/data"),
            "none is not a folder; name a folder that `isheep export`",
        ),
        (("empty", "--repo", "org/data"), "empty has no files"),
        (("d", "--repo", "a/b/c"), "--repo a/b/c: "),
        (("d", "--repo", "theirs/data"), "theirs/data: the token may not write to this repository"),
    ],
)
def test_unusable_arguments_are_bad_input(
    hub: Any, dataset: Path, arguments: tuple[str, ...], message: str
) -> None:
    Path("empty").mkdir()
    result = push(*arguments)
    assert result.exit_code == 64, result.output
    assert message in result.stderr


def test_a_hub_that_does_not_answer_is_unreachable(
    hub: Any, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    result = push("d", "--repo", "org/data")
    assert result.exit_code == 69, result.output
    assert "the hub does not answer" in result.stderr


def test_the_commands_of_the_page_run(hub: Any, finished: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    commands = re.findall(r"^isheep ((?:export|push) .+)$", text, re.M)
    assert len(commands) > 5
    Path("model").mkdir()
    for command in commands:
        result = finished(*command.split())
        assert result.exit_code == 0, result.output
    assert set(hub.files("org/my-data")) == {"README.md", "train.jsonl"}
    assert hub.repositories["org/my-data"]["private"]
    files = {"README.md", "config.json", "model.safetensors"}
    assert set(hub.files("org/my-model")) == files


def test_a_hub_that_fails_is_unreachable(hub: Any, dataset: Path) -> None:
    hub.fail_with = 500
    result = push("d", "--repo", "org/data")
    assert result.exit_code == 69, result.output
    assert "the hub answered with the status 500 (the stub was told to fail)" in result.stderr


def test_a_package_that_is_not_installed_is_named(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    result = push(str(dataset), "--repo", "org/data")
    assert result.exit_code == 64
    assert "install isheep[data]" in result.stderr
