"""`isheep run` as a user runs it, twice over: undisturbed, and killed again and again.

The model is tiny and talks (see talker.py); everything else is real: processes,
engine, training, stores. What is killed is the command's whole process group, with
SIGKILL, at moments drawn at random; workers are in sessions of their own and have to
notice by themselves.
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

KILLS = 2


@dataclass(frozen=True)
class Run:
    """A run's file in a folder of its own, where the commands are given."""

    folder: Path
    model: Path

    def write(self, storage: dict[str, Any]) -> None:
        write_run(self.folder / "run.yaml", {**TINY_SPEC, "storage": storage})

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
    """Run until so many stages have begun, wait, and kill the command's process group."""
    process = run.start("run")
    assert process.stdout is not None
    begun = (line for line in process.stdout if ": begins" in line)
    shown = list(itertools.islice(begun, stages))
    time.sleep(delay)
    assert len(shown) == stages, "it was done before it could be killed"
    assert process.poll() is None, "it was done before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="session")
def undisturbed(tiny_talker_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing disturbed."""
    run = Run(tmp_path_factory.mktemp("undisturbed"), tiny_talker_dir)
    run.write({"folder": {"path": "store"}})
    output = run.command("run")
    assert "every stage is committed" in output, output
    return run


def test_a_run_killed_again_and_again_leaves_the_same_data_and_the_same_models(
    undisturbed: Run, tiny_talker_dir: Path, tmp_path: Path, weed: Any
) -> None:
    """It is the same in another kind of store, too."""
    run = Run(tmp_path, tiny_talker_dir)
    run.write({"s3": weed.spec("e2e").s3.model_dump(exclude_none=True)})
    draw = random.Random(1)

    for _ in range(KILLS):
        run_and_kill(run, draw.randint(1, 5), draw.uniform(0, 1.5))
    run.command("run")

    for iteration in (1, 2):
        data = run.data(iteration)
        assert data == undisturbed.data(iteration)
        assert data
    # A model's key is made from its data's; that its bytes are the same, too, is training's.
    assert run.keys() == undisturbed.keys()
    for stage in ("i1/train", "i2/train", "i2/merge"):
        found, expected = digests(run, stage, weed), digests(undisturbed, stage, weed)
        assert found == expected, stage


def digests(run: Run, stage: str, weed: Any) -> dict[str, str]:
    """Return the digests of a stage's weights."""
    from isheep.contract.store_spec import parse_store_uri
    from isheep.store import open_store
    from isheep.store.artifacts import ArtifactStore

    storage = yaml.safe_load((run.folder / "run.yaml").read_text())["spec"]["storage"]
    if "s3" in storage:
        store = open_store(weed.spec("e2e"))
    else:
        store = open_store(parse_store_uri(str(run.folder / "store")))
    manifest = ArtifactStore(store, "default").manifest(run.keys()[stage])
    assert manifest is not None
    found = {f.name: f.sha256 for f in manifest.files if f.name.endswith(".safetensors")}
    assert found
    return found


def test_the_data_is_real_and_every_row_can_be_traced_back(undisturbed: Run) -> None:
    rows = [json.loads(line) for line in undisturbed.data(2).splitlines()]
    assert all(row["prompt"] and row["completion"] for row in rows)
    assert len({row["prompt"] for row in rows}) == len(rows)
    assert all(row["scores"]["Quality"] > TINY_SPEC["selection"]["threshold"] for row in rows)
    assert {row["provenance"]["iteration"] for row in rows} == {2}
    assert all(row["provenance"]["id"].startswith("i2-r") for row in rows)


def test_the_same_command_does_nothing_when_all_is_done_and_the_report_is_there(
    undisturbed: Run,
) -> None:
    output = undisturbed.command("run")
    assert "begins" not in output
    assert "every stage is committed" in output
    place = undisturbed.command("report").strip()
    assert "<html" in Path(place).read_text()
    plan = undisturbed.command("plan").splitlines()
    assert plan[-1].startswith("i2/report")
    assert all(line.endswith("exists") for line in plan)
