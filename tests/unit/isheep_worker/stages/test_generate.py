"""generate: the examples in the prompt of a completion."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.rows.schema import InstructionRow
from isheep_worker.stages.generate import completion_prompt
from isheep_worker.task_lists.interface import Material
from isheep_worker.templates.library import TemplateLibrary

LONG = "word " * 1000
MATERIAL = Material(
    TemplateLibrary(),
    [SeedTask(f"human{n}", "Name a river.", "", "") for n in range(9)],
    (),
    8,
    "en",
    [InstructionRow(f"machine{n}", LONG, "", 1, n, 1) for n in range(2)],
    2,
)


def prompt_of(material: Material, room: int) -> tuple[list[str], list[str]]:
    """Return the ids of the examples, and the words of the prompt."""
    settings = SimpleNamespace(task_list="SelfInstruct", random_seed=0, sampling=None)
    context: Any = SimpleNamespace(settings=settings, step=SimpleNamespace(id="i1/generate/r2"))
    inference: Any = SimpleNamespace(
        renderer=SimpleNamespace(raw=str.split), fits=lambda prompt, _sampling: len(prompt) < room
    )
    one, prompt = completion_prompt(context, inference, material, 0)
    return list(one.shown), [str(word) for word in prompt]


def test_a_prompt_shows_machine_made_tasks_if_they_fit() -> None:
    shown, prompt = prompt_of(MATERIAL, room=5000)
    assert sum(id_.startswith("machine") for id_ in shown) == 2
    assert len(prompt) > 2000


def test_a_prompt_with_too_long_machine_made_tasks_shows_seed_tasks_only() -> None:
    shown, prompt = prompt_of(MATERIAL, room=500)
    assert len(prompt) < 500
    assert all(id_.startswith("human") for id_ in shown)
    assert (shown, prompt) == prompt_of(replace(MATERIAL, machine_examples=0), room=500)
