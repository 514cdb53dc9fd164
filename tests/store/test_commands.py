"""Commands that read and delete, on runs in a real bucket; the unit tests use a folder."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isheep.store import open_store
from isheep.store.interface import ObjectStore

from ..unit.isheep.cli.conftest import Shell, new_shell

NOW = ("--older-than", "0s")


@pytest.fixture(scope="module")
def bucket(seaweedfs: Any) -> Any:
    return seaweedfs.spec(f"commands/{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def shell(bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A folder with the files of two finished runs, `lamb` and `other`, in one bucket."""
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        made = new_shell(tmp_path_factory.mktemp("commands"), patch)
        made.spec["storage"] = {"s3": bucket.s3.model_dump(exclude_none=True)}
        made.write()
        made.write_other()
        for file in ("run.yaml", "other.yaml"):
            result = made("run", file)
            assert result.exit_code == 0, result.output
        yield made
    os.chdir(before)


@pytest.fixture
def store(bucket: Any) -> ObjectStore:
    return open_store(bucket)


def test_a_model_is_fetched_with_checked_files(shell: Shell) -> None:
    result = shell("pull", "run.yaml", "-o", "model")
    assert result.exit_code == 0, result.output
    assert "M(1) of lamb, full weights, 2 files with the SHA-256 of the manifest" in result.stdout
    assert {path.name for path in Path("model").iterdir()} == {"config.json", "model.safetensors"}
    assert Path("model/model.safetensors").read_text() == "weights"


def test_a_damaged_file_leaves_no_folder(shell: Shell, store: ObjectStore) -> None:
    keys = {stage["id"]: stage["key"] for stage in shell.status()["stages"]}
    weights = f"default/stages/{keys['i1/merge']}/files/model.safetensors"
    content = store.get(weights)
    store.put(weights, b"WEIGHTS")
    result = shell("pull", "run.yaml", "-o", "damaged")
    store.put(weights, content)
    assert result.exit_code == 74
    assert "is damaged: its SHA-256 is" in result.stderr
    assert not Path("damaged").exists()


def test_two_runs_are_compared(shell: Shell) -> None:
    found = json.loads(shell("compare", "run.yaml", "other.yaml", "-o", "json").stdout)
    assert found["spec"] == [{"field": "selection.threshold", "values": [8, 2]}]
    lamb, other = (run["iterations"][0] for run in found["runs"])
    assert {"label": "length", "kind": "drop", "count": 9} in lamb["funnel"]
    assert {"name": "mean score", "value": 8.5, "n": 2} in other["figures"]


def test_an_option_takes_the_addressing_of_the_aws_tools(
    shell: Shell, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For an IP address, a client always puts the bucket in the path.
    endpoint = bucket.s3.endpoint.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", bucket.s3.region)
    settings = tmp_path / "config"
    settings.write_text("[default]\ns3 =\n  addressing_style = path\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(settings))
    result = shell("list", "--store", bucket.uri)
    assert result.exit_code == 0, result.output
    assert "lamb" in result.stdout
    assert "other" in result.stdout


def test_what_a_deleted_run_leaves_is_deleted(
    shell: Shell, bucket: Any, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this file, because it deletes a run."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.s3.endpoint)
    monkeypatch.setenv("AWS_REGION", bucket.s3.region)
    option = ("--store", bucket.uri)

    def usage() -> dict[str, Any]:
        return json.loads(shell("du", *option, "-o", "json").stdout)

    assert [run["name"] for run in usage()["runs"]] == ["lamb", "other"]
    for info in list(store.list("default/runs/other/")):
        store.delete(info.key)
    planned = json.loads(shell("gc", *option, "--dry-run", "-o", "json", *NOW).stdout)
    assert planned["deletedRuns"] == ["other"]
    assert planned["stages"]
    result = shell("gc", *option, "--yes", *NOW)
    assert result.exit_code == 0, result.output
    after = usage()
    assert ([run["name"] for run in after["runs"]], after["unused"]) == (["lamb"], 0)
    assert shell("export", "run.yaml", "--iteration", "1", "-o", "-").exit_code == 0
    assert shell("gc", *option, "--yes", *NOW).stdout.splitlines()[-1] == "nothing to delete"
