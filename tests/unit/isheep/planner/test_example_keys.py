"""The keys of every example's stages, which an edit of our code must never change.

If a key changes, each finished run trains its models again. `example_keys.json` contains one
digest for each stage of each example, from a run in which one round always produces enough. A
change of the method needs a new stage version, and the file changes with that version:
`python -m tests.unit.isheep.planner.test_example_keys` writes the file again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from isheep.api.reading.loader import load_run
from isheep.contract.prepared import ChatFormatRef, Prepared, ScoreLabelsRef
from isheep.planner.walk import walk
from isheep.recipes.interface import Stage, Statistics
from isheep.recipes.registry import RECIPES
from isheep.recipes.settings import CurateSettings, TopicsSettings
from isheep.recipes.stage_kinds import STAGE_VERSIONS

ROOT = Path(__file__).resolve().parents[4]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
RECORDED = Path(__file__).with_name("example_keys.json")
PREPARED = Prepared(
    model_digest="model",
    architecture="Llama",
    seed_tasks_digest="seeds",
    seed_tasks_count=60,
    templates_digest="templates",
    score_templates_digest="scores",
    benchmarks={"ifeval": "benchmark"},
    engine="VLLM",
    dtype="bfloat16",
    max_model_length=2048,
    chat_format=ChatFormatRef(kind="Own", digest="chat", end_of_turn_ids=(1,), stop_token_ids=(1,)),
    score_labels={
        "Raw": ScoreLabelsRef(kind="DigitsAfterSpace", token_ids=tuple(range(10))),
        "Chat": ScoreLabelsRef(kind="LettersAfterNewline", token_ids=tuple(range(10))),
    },
)


def _enough_in_one_round(stage: Stage, _key: str) -> Statistics:
    if isinstance(stage.settings, (CurateSettings, TopicsSettings)):
        return {"accepted": stage.settings.count}
    return {"kept": 100_000} if stage.kind == "select" else {}


def example_keys(path: Path) -> dict[str, str]:
    """Return the first 16 digits of each stage's key, by stage id."""
    spec = load_run(path).run.spec
    versions = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
    keys = walk(RECIPES[spec.recipe], spec, PREPARED, versions, _enough_in_one_round).keys
    return {stage: key[:16] for stage, key in keys.items()}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_keys_of_an_example_are_the_recorded_ones(path: Path) -> None:
    recorded = json.loads(RECORDED.read_text())[path.relative_to(ROOT).as_posix()]
    assert example_keys(path) == recorded


def test_each_recorded_example_exists() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in EXAMPLES}
    assert json.loads(RECORDED.read_text()).keys() == names


def test_two_examples_with_other_data_have_other_keys() -> None:
    """The recorded keys distinguish the examples from each other."""
    whole = {hashlib.sha256(json.dumps(example_keys(path)).encode()).digest() for path in EXAMPLES}
    assert len(whole) == len(EXAMPLES)


if __name__ == "__main__":
    found = {path.relative_to(ROOT).as_posix(): example_keys(path) for path in EXAMPLES}
    RECORDED.write_text(json.dumps(found, indent=1) + "\n")
