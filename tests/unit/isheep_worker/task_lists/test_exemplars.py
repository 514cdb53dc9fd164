"""The exemplars of a prompt: seed tasks, and machine-made tasks if a recipe uses them."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.rows.schema import InstructionRow
from isheep_worker.task_lists.exemplars import draw_exemplars
from isheep_worker.task_lists.interface import Material
from isheep_worker.task_lists.registry import TASK_LISTS
from isheep_worker.templates.library import TemplateLibrary

LIBRARY = TemplateLibrary()


def material(human: int, machine: int, *, shown: int, machine_examples: int) -> Material:
    return Material(
        LIBRARY,
        [SeedTask(f"human{n}", f"Name river {n}.", "", "Lena") for n in range(human)],
        (),
        shown,
        "en",
        [
            InstructionRow(f"machine{n}", f"Name lake {n}.", "in Asia", 1, n, 1)
            for n in range(machine)
        ],
        machine_examples,
    )


@pytest.fixture
def drawn() -> Callable[[Material, int], list[str]]:
    """Return a function from material and a seed to the ids of the drawn exemplars."""
    return lambda made, seed: [id_ for id_, _ in draw_exemplars(made, random.Random(seed))]


@pytest.mark.parametrize(
    ("machine", "wanted", "shown"), [(0, 2, 0), (1, 2, 1), (50, 2, 2), (50, 0, 0), (50, 8, 8)]
)
def test_seed_tasks_replace_missing_machine_made_tasks(drawn, machine, wanted, shown) -> None:
    pool = material(9, machine, shown=8, machine_examples=wanted)
    places = set()
    for seed in range(40):
        ids = drawn(pool, seed)
        assert len(ids) == len(set(ids)) == 8
        made = [n for n, id_ in enumerate(ids) if id_.startswith("machine")]
        assert len(made) == shown
        places.update(made)
    assert places == (set(range(8)) if shown else set())


def test_without_machine_made_tasks_the_draw_is_that_of_seed_tasks(drawn) -> None:
    pool = material(20, 5, shown=5, machine_examples=0)
    assert drawn(pool, 3) == [task.id for task in random.Random(3).sample(pool.seed_tasks, 5)]


@pytest.mark.parametrize("style", ["ISheep", "SelfInstruct", "Alpaca"])
def test_a_prompt_shows_the_drawn_exemplars_in_the_order_of_their_ids(style) -> None:
    pool = material(20, 5, shown=6, machine_examples=2)
    drawn = TASK_LISTS[style].draw_prompt(pool, random.Random(1))
    assert sum(id_.startswith("machine") for id_ in drawn.shown) == 2
    tasks = {task.id: task.instruction for task in (*pool.seed_tasks, *pool.machine_made)}
    places = [drawn.prompt.index(tasks[id_]) for id_ in drawn.shown]
    assert places == sorted(places)
    assert ("Lena" in drawn.prompt) == (style == "Alpaca")
    assert TASK_LISTS[style].own_examples(LIBRARY) == ()


WORDS = st.integers(0, 6).map(lambda count: "word " * count)


@pytest.mark.parametrize("style", ["ISheep", "SelfInstruct", "Alpaca"])
@given(texts=st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=3, max_size=6))
def test_the_longest_prompt_is_the_longest_of_all_choices_of_seed_tasks(style, texts) -> None:
    tasks = [
        SeedTask(str(n), f"Do it {one}", two, f"Done {three}")
        for n, (one, two, three) in enumerate(texts)
    ]
    counted: list[str] = []

    def length(text: str) -> int:
        counted.append(text)
        return len(text.split())

    longest = TASK_LISTS[style].longest_prompt(Material(LIBRARY, tasks, (), 3, "en"), length)
    # Each seed task is counted once and alone.
    assert len(counted) == len(tasks)
    assert all(text.count("Do it") == 1 for text in counted)
    others = [
        TASK_LISTS[style]
        .draw_prompt(Material(LIBRARY, shown, (), 3, "en"), random.Random(0))
        .prompt
        for shown in combinations(tasks, 3)
    ]
    assert len(longest.split()) == max(len(other.split()) for other in others)
