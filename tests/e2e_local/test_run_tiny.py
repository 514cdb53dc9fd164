"""`isheep run` as a user runs it, once without interruption and once with kills.

The model is the tiny chat model of tiny_chat_model.py. Everything else is real: processes, engine,
training and stores. The test kills the command's process group with SIGKILL at random moments. The
workers run in other sessions, so the kill does not reach them, and they must end when their driver
has ended.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .command import TINY_SPEC, command, start, write_run

MEASURED = {
    "yardstick": {"items": 70, "maxTokens": 12},
    "assessment": {**TINY_SPEC["assessment"], "anchors": 50},
}


@dataclass(frozen=True)
class Run:
    """A folder with a run's file, in which the commands run."""

    folder: Path
    model: Path

    def write(self, storage: dict[str, Any]) -> None:
        write_run(self.folder / "run.yaml", {**TINY_SPEC, **MEASURED, "storage": storage})

    def start(self, verb: str, *options: str) -> subprocess.Popen[str]:
        return start(self.folder, self.model, verb, "run.yaml", *options)

    def command(self, verb: str, *options: str) -> str:
        return command(self.folder, self.model, verb, "run.yaml", *options)

    def data(self, iteration: int) -> bytes:
        self.command("export", "--iteration", str(iteration), "-o", f"d{iteration}.jsonl")
        return (self.folder / f"d{iteration}.jsonl").read_bytes()

    def keys(self) -> dict[str, str]:
        status = json.loads(self.command("status", "-o", "json"))
        return {stage["id"]: stage["key"] for stage in status["stages"]}


def run_and_kill(run: Run, stages: int, delay: float) -> None:
    """Run until `stages` stages have started, wait, and kill the command's process group."""
    process = run.start("run")
    assert process.stdout is not None
    started = (line for line in process.stdout if ": started" in line)
    shown = list(itertools.islice(started, stages))
    time.sleep(delay)
    assert len(shown) == stages, "the run ended before the kill"
    assert process.poll() is None, "the run ended before the kill"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="session")
def uninterrupted(tiny_chat_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run without an interruption."""
    run = Run(tmp_path_factory.mktemp("uninterrupted"), tiny_chat_model_dir)
    run.write({"folder": {"path": "store"}})
    output = run.command("run")
    assert "every stage is committed" in output, output
    return run


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.long)])
def test_a_run_with_kills_makes_the_same_data_and_the_same_models(
    kills: int, uninterrupted: Run, tiny_chat_model_dir: Path, tmp_path: Path, seaweedfs: Any
) -> None:
    """The run with kills has a store of another kind."""
    run = Run(tmp_path, tiny_chat_model_dir)
    prefix = f"kills-{kills}"
    run.write({"s3": seaweedfs.spec(prefix).s3.model_dump(exclude_none=True)})
    draw = random.Random(1)

    for _ in range(kills):
        run_and_kill(run, draw.randint(4, 8), draw.uniform(0, 1.5))
    run.command("run")

    for iteration in (1, 2):
        data = run.data(iteration)
        assert data == uninterrupted.data(iteration)
        assert data
    # Equal data give equal keys. Equal digests show that the training is reproducible, too.
    keys = run.keys()
    assert keys == uninterrupted.keys()
    for stage in ("i1/train", "i2/train", "i2/merge", "i2/verdict"):
        found, expected = (digests(one, keys[stage], seaweedfs) for one in (run, uninterrupted))
        assert found == expected, stage


def test_every_model_is_compared_with_the_base_on_the_same_tasks(uninterrupted: Run) -> None:
    history = json.loads(uninterrupted.command("status", "-o", "json"))["history"]
    assert history[0]["iteration"] == 0
    for record in history[1:]:
        found = record["yardstick"]
        assert found["items"] == MEASURED["yardstick"]["items"]
        assert found["lower"] < found["difference"] < found["upper"]
    assert "M(2): loss on 70 seed tasks" in uninterrupted.command("status")
    page = Path(uninterrupted.command("report").strip()).read_text()
    assert "Did the model become better?" in page
    assert "Has the assessor changed?" in page


def digests(run: Run, key: str, seaweedfs: Any) -> dict[str, str]:
    """Return the digests of the files with weights or with the verdict, of the stage of a key."""
    from isheep.contract.store_spec import parse_store_uri
    from isheep.store import open_store
    from isheep.store.artifacts import ArtifactStore

    storage = yaml.safe_load((run.folder / "run.yaml").read_text())["spec"]["storage"]
    if "s3" in storage:
        store = open_store(seaweedfs.spec(storage["s3"]["prefix"]))
    else:
        store = open_store(parse_store_uri(str(run.folder / "store")))
    manifest = ArtifactStore(store, "default").manifest(key)
    assert manifest is not None
    names = ("adapter_model.safetensors", "model.safetensors", "verdict.json")
    found = {f.name: f.sha256 for f in manifest.files if f.name.endswith(names)}
    assert found
    return found


def test_each_row_of_the_data_has_a_prompt_a_score_and_its_provenance(uninterrupted: Run) -> None:
    rows = [json.loads(line) for line in uninterrupted.data(2).splitlines()]
    assert all(row["prompt"] and row["completion"] for row in rows)
    assert len({(row["instruction"], row["input"]) for row in rows}) == len(rows)
    assert all(row["scores"]["Quality"] > TINY_SPEC["selection"]["threshold"] for row in rows)
    assert {row["provenance"]["iteration"] for row in rows} == {2}
    assert all(row["provenance"]["id"].startswith("i2-r") for row in rows)


def test_the_same_command_starts_no_stage_of_a_finished_run_that_has_its_report(
    uninterrupted: Run,
) -> None:
    output = uninterrupted.command("run")
    assert ": started" not in output
    assert "every stage is committed" in output
    place = uninterrupted.command("report").strip()
    assert "<html" in Path(place).read_text()
    first, *stages, last = uninterrupted.command("plan").splitlines()
    assert first.startswith("store: ")
    assert [stages[0].split()[0], stages[-1].split()[0]] == ["prepare", "i2/report"]
    assert all(line.split()[2].startswith("exists") for line in stages)
    assert last == "nothing to do"
