"""`isheep run` with different selection methods, with the tiny chat model and in one store.

The runs share all stages before the selection and its measures, so each run makes the other stages
only. `make test` runs two of the methods.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .command import TINY_SPEC, command, write_run

SPEC: dict[str, Any] = {
    **TINY_SPEC,
    "iterations": 1,
    "storage": {"folder": {"path": "store"}},
    "assessment": {
        "levels": ["Quality"],
        "rubric": "Simple",
        "decoding": "Constrained",
        "sampling": {"temperature": 1.0, "maxTokens": 16},
    },
}
"""The spec of all runs, without the selection."""
DENSITY = {"density": {"clusters": 25}}
SELECTIONS: dict[str, dict[str, Any]] = {
    "none": {"method": "None"},
    "perplexity": {"method": "Perplexity", "perplexity": {"max": 4}},
    "density-perplexity": {"method": "DensityPerplexity", **DENSITY},
    "random-of-density": {"method": "Random", "random": {"sizeOf": "Density"}, **DENSITY},
}
FEW = ("none", "density-perplexity")
"""The methods that `make test` runs: one without measures, and one with both kinds of them."""


@dataclass(frozen=True)
class Place:
    """The folder of all runs."""

    folder: Path
    model: Path

    def command(self, verb: str, name: str, *options: str) -> str:
        return command(self.folder, self.model, verb, f"{name}.yaml", *options)

    def finish(self, name: str) -> None:
        """Execute a run unless it has been executed."""
        if (self.folder / f"{name}.yaml").exists():
            return
        selection = {**SELECTIONS[name], "minSamples": 1}
        write_run(self.folder / f"{name}.yaml", {**SPEC, "selection": selection}, name)
        assert "every stage is committed" in self.command("run", name)

    def keys(self, name: str) -> dict[str, str]:
        status = json.loads(self.command("status", name, "-o", "json"))
        return {stage["id"]: stage["key"] for stage in status["stages"]}

    def data(self, name: str) -> list[dict[str, Any]]:
        self.command("export", name, "--iteration", "1", "-o", f"{name}.jsonl")
        lines = (self.folder / f"{name}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def place(tiny_chat_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder in which a method runs when a test first needs it."""
    return Place(tmp_path_factory.mktemp("selections"), tiny_chat_model_dir)


def ids(rows: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(row["provenance"]["id"] for row in rows)


@pytest.mark.parametrize(
    "name",
    [name if name in FEW else pytest.param(name, marks=pytest.mark.long) for name in SELECTIONS],
)
def test_a_run_with_each_method_succeeds(name: str, place: Place) -> None:
    place.finish(name)
    assert place.data(name)


def check_methods(place: Place, names: Collection[str]) -> dict[str, frozenset[str]]:
    """Check that each method trains on other pairs, and return their ids by method."""
    for name in names:
        place.finish(name)
    kept = {name: ids(place.data(name)) for name in names}
    assert len(set(kept.values())) == len(kept), kept
    assert all(found <= kept["none"] for found in kept.values())
    assert len(kept["density-perplexity"]) <= 25
    keys = {name: place.keys(name) for name in names}
    assert len({found["i1/merge"] for found in keys.values()}) == len(names)
    assert len({keys[name]["i1/measure"] for name in names if "density" in name}) == 1
    assert "i1/measure" not in keys["none"]
    assert all("i1/assess" not in found for found in keys.values())
    return kept


def test_a_method_trains_on_other_pairs(place: Place) -> None:
    check_methods(place, FEW)


@pytest.mark.long
def test_each_method_trains_on_other_pairs(place: Place) -> None:
    kept = check_methods(place, SELECTIONS)
    assert len(kept["density-perplexity"]) == len(kept["random-of-density"])
    perplexities = [row["scores"] for row in place.data("perplexity")]
    assert all(0 < value < 4 for scores in perplexities for value in scores.values())


def test_the_report_shows_measures(place: Place) -> None:
    place.finish("density-perplexity")
    page = Path(place.command("report", "density-perplexity").strip()).read_text()
    assert "pairs measured" in page
    assert "Perplexity: Response" in page
