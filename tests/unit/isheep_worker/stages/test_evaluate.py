"""evaluate: the losses are those of the model, and the draw depends on the tasks alone."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from isheep.recipes.evaluation_settings import EvaluateSettings
from isheep_worker.inputs.seed_tasks import SeedTask, read_seed_tasks
from isheep_worker.rows.schema import EVALUATIONS, EvaluationRow, PairRow
from isheep_worker.stages.evaluate import drawn_tasks
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.prompting import resolve_prompting, task_prompt, task_response

from .stage_runner import StageRunner, statistics

TASKS = [
    {"instruction": "Name a bird.", "input": "", "output": "A wren."},
    {"instruction": "Add the numbers.", "input": "2 and 3", "output": "5"},
    {"instruction": "Say yes.", "input": "", "output": "<|im_end|>yes"},
    {"instruction": "Repeat this.", "input": "", "output": "word " * 400},
]
ITEMS = len(TASKS)


def seed_file(tasks: list[dict[str, str]]) -> bytes:
    return "\n".join(map(json.dumps, tasks)).encode()


def evaluated(
    runner: StageRunner, key: str = "f" * 64, tasks: list[dict[str, str]] = TASKS, **changes: Any
) -> dict[str, EvaluationRow]:
    """Run the stage, and return its rows by their instruction."""
    fields: dict[str, Any] = {
        "model": runner.model_settings(400),
        "random_seed": 0,
        "prompt_format": "Chat",
        "max_tokens": 12,
        "seed_tasks": runner.inputs.put(seed_file(tasks)),
        "templates": runner.templates(),
    }
    result = runner.run("evaluate", EvaluateSettings(**fields | changes), ITEMS, key)
    assert statistics(result)["items"] == ITEMS
    return {row.instruction: row for row in runner.rows(EVALUATIONS, key)}


def expected_loss(model: Path, task: dict[str, str]) -> float:
    """Return the mean loss of a task's output after its chat prompt, by one forward pass."""
    renderer, library = resolve_prompting(model).renderer, TemplateLibrary()
    prompt = task_prompt(library, renderer, "Chat", task["instruction"], task["input"])
    pair = PairRow("x", task["instruction"], task["input"], task["output"], "stop", 0, 0)
    output = task_response(library, renderer, "Chat", pair, ended=False)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = loaded(torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1]
    return float(torch.nn.functional.cross_entropy(logits.double(), torch.tensor(output)))


def test_the_losses_are_those_of_the_model(tiny_model_dir: Path, tmp_path: Path) -> None:
    rows = evaluated(StageRunner(tmp_path, tiny_model_dir))
    for task in TASKS[:3]:
        row = rows[task["instruction"]]
        assert row.loss == pytest.approx(expected_loss(tiny_model_dir, task), abs=1e-5)
        assert row.output_tokens > 0
    long = rows["Repeat this."]
    assert (long.loss, long.output_tokens) == (None, 0)
    assert all(0 < row.tokens <= 12 for row in rows.values())
    assert rows["Add the numbers."].input == "2 and 3"


def test_the_answers_follow_the_seed_and_not_the_order_of_the_file(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    runner = StageRunner(tmp_path, tiny_model_dir)
    first = evaluated(runner)
    other_order = evaluated(runner, "e" * 64, [*reversed(TASKS)])
    other_seed = evaluated(runner, "d" * 64, random_seed=1)

    def answers(rows: dict[str, EvaluationRow]) -> dict[str, tuple[str, float | None]]:
        return {name: (row.response, row.loss) for name, row in rows.items()}

    assert answers(first) == answers(other_order)
    assert answers(first) != answers(other_seed)
    assert {name: row.loss for name, row in first.items()} == {
        name: row.loss for name, row in other_seed.items()
    }


def test_tasks_with_an_output_are_drawn_first() -> None:
    tasks = [SeedTask(str(n), f"task {n}", "", "" if n % 2 else "out") for n in range(20)]
    shuffled = random.Random(3).sample(tasks, 20)
    drawn = drawn_tasks(tasks, 12)
    assert drawn == drawn_tasks(shuffled, 12)
    assert [bool(task.output) for task in drawn] == [True] * 10 + [False] * 2
    assert drawn[:5] == drawn_tasks(tasks, 5)
    assert [task.id for task in drawn[:10]] != [str(n) for n in range(0, 20, 2)]


def test_the_seed_file_of_this_test_is_read() -> None:
    assert len(read_seed_tasks(seed_file(TASKS), "file")) == ITEMS
