"""`isheep run` whose pairs are scored by a judge: another model, and an endpoint with faults."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ..unit.isheep_worker.engines.endpoint_server import Reply, chat, refusal, serving
from .command import TINY_SPEC, command, start, write_run

pytestmark = pytest.mark.long

SECRET = "sk-very-secret"


def spec(judge: dict[str, Any], **assessment: Any) -> dict[str, Any]:
    scored = {**TINY_SPEC["assessment"], "assessor": "Judge", **assessment}
    return {
        **TINY_SPEC,
        "iterations": 1,
        "storage": {"folder": {"path": "store"}},
        "assessment": scored,
        "judge": judge,
    }


def manifest(folder: Path, kind: str) -> dict[str, Any]:
    """Return the manifest of the only stage of a kind."""
    found = [json.loads(path.read_text()) for path in folder.glob("store/**/manifest.json")]
    (one,) = [document for document in found if document["stage"]["kind"] == kind]
    return dict(one)


@pytest.fixture(scope="module")
def judge_dir(tiny_chat_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny chat model with other weights."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("judge") / "model"
    shutil.copytree(tiny_chat_model_dir, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] *= 1.01
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_judge_that_the_engine_loads_scores_the_pairs(
    tiny_chat_model_dir: Path, judge_dir: Path, tmp_path: Path
) -> None:
    judge = {"model": {"storageUri": f"file://{judge_dir}"}}
    write_run(tmp_path / "tiny.yaml", spec(judge))
    command(tmp_path, tiny_chat_model_dir, "run", "tiny.yaml")
    assessed, answered = manifest(tmp_path, "assess"), manifest(tmp_path, "respond")
    assert assessed["settings"]["model"]["of"] == "Judge"
    assert assessed["settings"]["model"]["baseModel"] != answered["settings"]["model"]["baseModel"]
    assert assessed["statistics"]["modelLoads"] == 1
    assert assessed["statistics"]["scored"] > 0
    log = command(tmp_path, tiny_chat_model_dir, "logs", "tiny.yaml", "prepare")
    assert "judge.model: its model_type llama is that of M(0)" in log


def test_an_endpoint_scores_the_pairs_in_spite_of_faults(
    tiny_chat_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISHEEP_JUDGE_API_KEY", SECRET)
    seen: Counter[str] = Counter()

    def reply(body: dict[str, Any], _: int) -> Reply:
        seen[text := body["messages"][0]["content"]] += 1
        if seen[text] == 1:
            fault = refusal(429) if len(text) % 2 else refusal(503)
            return Reply(fault.body, fault.status, {"retry-after-ms": "1"})
        return chat("9", prompt_tokens=50, completion_tokens=1)

    with serving(reply) as server:
        judge = {"endpoint": {"url": server.url, "model": "judge-1", "secretRef": {"name": "j"}}}
        form = {"decoding": "Free", "promptFormat": "Auto"}
        write_run(tmp_path / "tiny.yaml", spec(judge, **form))
        output = command(tmp_path, tiny_chat_model_dir, "run", "tiny.yaml")
    assessed = manifest(tmp_path, "assess")
    scored = assessed["statistics"]["scored"]
    assert scored > 0
    assert assessed["statistics"]["promptTokens"] == 50 * scored
    assert assessed["statistics"]["modelLoads"] == 0
    assert assessed["settings"]["endpoint"] == {"model": "judge-1"}
    assert manifest(tmp_path, "select")["statistics"]["kept"] == scored
    assert SECRET not in output
    stored = (path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(SECRET.encode() in content for content in stored)


def test_prepare_refuses_an_endpoint_that_refuses_the_key(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    with serving(lambda *_: refusal(401)) as server:
        judge = {"endpoint": {"url": server.url, "model": "judge-1"}}
        form = {"decoding": "Free", "promptFormat": "Auto"}
        write_run(tmp_path / "tiny.yaml", spec(judge, **form))
        process = start(tmp_path, tiny_chat_model_dir, "run", "tiny.yaml")
        output, _ = process.communicate(timeout=500)
    assert process.returncode != 0
    assert "answers 401: the key is refused" in output
    assert len(server.received) == 1
