"""The list of topics: the parser starts where the prompt ends."""

import random

import pytest

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.task_lists.interface import Material
from isheep_worker.task_lists.registry import TASK_LISTS
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.red_teaming import instruction_types, seed_topics

LIBRARY = TemplateLibrary()
MATERIAL = Material(LIBRARY, [SeedTask("s", "Name a bird.", "", "")], [], 4, "de")
STYLE = TASK_LISTS["Topics"]


def test_a_prompt_shows_all_types_and_drawn_seed_topics() -> None:
    drawn = STYLE.draw_prompt(MATERIAL, random.Random(1))
    assert len(set(drawn.shown)) == 4
    assert set(drawn.shown) <= set(seed_topics(LIBRARY))
    assert drawn.prompt.endswith(f"\n4. {drawn.shown[3]}\n5.")
    assert "German" in drawn.prompt
    assert all(one.about in drawn.prompt for one in instruction_types(LIBRARY))
    assert drawn == STYLE.draw_prompt(MATERIAL, random.Random(1))
    assert drawn != STYLE.draw_prompt(MATERIAL, random.Random(2))


def test_the_constant_text_comes_first() -> None:
    one, two = (STYLE.draw_prompt(MATERIAL, random.Random(seed)).prompt for seed in (1, 2))
    assert one.partition("\n1. ")[0] == two.partition("\n1. ")[0]


@pytest.mark.parametrize("exemplars", [0, 4])
def test_a_completion_continues_the_numbers(exemplars: int) -> None:
    text = f" jazz\n{exemplars + 2}. tax law"
    parsed = STYLE.parse(text, exemplars=exemplars, cut=False, drop_last="IfCut")
    assert [task.instruction for task in parsed.tasks] == ["jazz", "tax law"]


def test_the_parser_reads_the_topics_of_a_prompt_back() -> None:
    drawn = STYLE.draw_prompt(MATERIAL, random.Random(3))
    listed = drawn.prompt.partition("\n1.")[2].removesuffix("\n5.")
    parsed = STYLE.parse(listed, exemplars=0, cut=False, drop_last="IfCut")
    assert tuple(task.instruction for task in parsed.tasks) == drawn.shown


def test_the_own_examples_are_the_seed_topics() -> None:
    assert STYLE.own_examples(LIBRARY) == seed_topics(LIBRARY)


def test_the_longest_prompt_shows_the_longest_seed_topics() -> None:
    longest = STYLE.longest_prompt(MATERIAL, len)
    assert longest.endswith("\n5.")
    drawn = [STYLE.draw_prompt(MATERIAL, random.Random(seed)).prompt for seed in range(300)]
    assert len(longest) >= max(map(len, drawn))
    shown = sorted(seed_topics(LIBRARY), key=len)[-4:]
    assert all(f". {topic}\n" in longest for topic in shown)


def test_too_few_seed_topics_are_refused() -> None:
    few = Material(TemplateLibrary({"dromedary-seed-topics": "a\nb\n"}), [], [], 3, "en")
    with pytest.raises(
        BadInputError, match=r"'dromedary-seed-topics' has 2 topics, but .* needs 3;"
    ):
        STYLE.longest_prompt(few, len)
