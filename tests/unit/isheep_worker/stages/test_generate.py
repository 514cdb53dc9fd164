"""What a completion is asked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.rows.schema import InstructionRow
from isheep_worker.stages.generate import ask
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


def asked(material: Material, room: int) -> tuple[list[str], list[str]]:
    """Return the ids of what is shown, and the prompt's words."""
    settings = SimpleNamespace(task_list="SelfInstruct", random_seed=0, sampling=None)
    context: Any = SimpleNamespace(settings=settings, step=SimpleNamespace(id="i1/generate/r2"))
    inference: Any = SimpleNamespace(
        renderer=SimpleNamespace(raw=str.split), fits=lambda prompt, _sampling: len(prompt) < room
    )
    one, prompt = ask(context, inference, material, 0)
    return list(one.shown), [str(word) for word in prompt]


def test_a_prompt_shows_machine_made_tasks_that_fit() -> None:
    shown, prompt = asked(MATERIAL, room=5000)
    assert sum(id_.startswith("machine") for id_ in shown) == 2
    assert len(prompt) > 2000


def test_a_prompt_too_long_for_the_model_shows_human_ones_only() -> None:
    shown, prompt = asked(MATERIAL, room=500)
    assert len(prompt) < 500
    assert all(id_.startswith("human") for id_ in shown)
    assert (shown, prompt) == asked(replace(MATERIAL, machine_examples=0), room=500)
