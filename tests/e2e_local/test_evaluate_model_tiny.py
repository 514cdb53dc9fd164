"""`isheep evaluate MODEL` on the tiny chat model, with lm-eval and without a run's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..unit.isheep_worker.evaluation.conftest import ROWS, lines
from .command import MODEL, command

pytestmark = pytest.mark.long


def manifests(folder: Path) -> dict[str, int]:
    """Return the times of all manifests by the id of their stage."""
    return {
        json.loads(path.read_text())["stage"]["id"]: path.stat().st_mtime_ns
        for path in folder.glob("isheep-store/default/stages/*/manifest.json")
    }


def test_a_model_is_evaluated_once_and_its_figures_are_printed(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    for path, rows in ROWS["arc_easy"].items():
        file = tmp_path / "arc" / f"{path}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(lines(rows))
    words = ("evaluate", MODEL, "--task", "arc_easy", "--data", "arc", "--results", "results")
    # The text of stderr comes before the document.
    first = command(tmp_path, tiny_chat_model_dir, *words, "-o", "json")
    document = json.loads(first[first.index("\n{") :].rpartition("}")[0] + "}")
    assert document["engine"] == "Transformers"
    assert [(one["format"], one["figures"][0]["items"]) for one in document["benchmarks"]] == [
        ("Raw", 12),
        ("Chat", 12),
    ]
    figure = document["benchmarks"][0]["figures"][0]
    assert (figure["metric"], figure["lower"]) == ("acc", None)
    results = [json.loads(path.read_text()) for path in (tmp_path / "results").iterdir()]
    assert [list(one["results"]) for one in results] == [["arc_easy"]] * 2
    made = manifests(tmp_path)
    assert {id_.rpartition("-")[2] for id_ in made} == {"raw", "chat"}
    assert len(made) == 4

    again = command(tmp_path, tiny_chat_model_dir, *words)
    assert "acc (higher is better): " in again
    assert "12 items; too few items for an interval" in again
    assert ": started" not in again
    assert manifests(tmp_path) == made
