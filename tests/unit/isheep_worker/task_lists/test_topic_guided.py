"""The list of topic-guided instructions: its prompt, its stop strings and its parser."""

import random
from dataclasses import replace

import pytest

from isheep_worker.inputs.seed_tasks import SeedTask
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.task_lists.interface import Material
from isheep_worker.task_lists.registry import TASK_LISTS
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.red_teaming import instruction_types, seed_topics

LIBRARY = TemplateLibrary()
TOPICS = ["glaciers", "tax\nlaw"]
MATERIAL = Material(LIBRARY, [SeedTask("s", "Name a bird.", "", "")], TOPICS, 2, "en")
STYLE = TASK_LISTS["TopicGuided"]


def test_a_prompt_asks_for_one_type_and_topic_after_examples_of_other_types() -> None:
    drawn = STYLE.draw_prompt(MATERIAL, random.Random(1))
    *shown, wanted, topic = drawn.shown
    types = {one.name: one for one in instruction_types(LIBRARY)}
    assert len({*shown, wanted}) == 3
    assert topic in TOPICS
    tail = f"Type: {wanted}\nAbout: {types[wanted].about}\nTopic: {' '.join(topic.split())}\n1."
    assert drawn.prompt.endswith(f"###\n{tail}")
    for name in shown:
        assert f"Topic: {types[name].topic}\n1. {types[name].instructions[0]}\n2. " in drawn.prompt
    assert all(text not in drawn.prompt for text in types[wanted].instructions)


def test_every_type_and_every_topic_is_drawn() -> None:
    drawn = [STYLE.draw_prompt(MATERIAL, random.Random(seed)).shown for seed in range(400)]
    wanted = {shown[-2] for shown in drawn}
    assert wanted == {one.name for one in instruction_types(LIBRARY)}
    assert {shown[-1] for shown in drawn} == set(TOPICS)


def test_every_list_starts_with_the_number_1() -> None:
    text = " How old is this glacier now?\n2. Climb it for me.\n###\nType: other"
    parsed = STYLE.parse(text, exemplars=5, cut=False, drop_last="IfCut")
    instructions = [task.instruction for task in parsed.tasks]
    assert instructions == ["How old is this glacier now?", "Climb it for me."]
    assert all(not task.input for task in parsed.tasks)


def test_the_start_of_another_type_ends_a_completion() -> None:
    prompt = STYLE.draw_prompt(MATERIAL, random.Random(1)).prompt
    assert all(stop in prompt for stop in STYLE.stop[1:])


def test_the_own_examples_are_those_of_all_types() -> None:
    shown = STYLE.own_examples(LIBRARY)
    assert len(shown) == len(set(shown)) == 3 * len(instruction_types(LIBRARY))


def test_the_longest_prompt_is_at_least_as_long_as_every_drawn_one() -> None:
    material = replace(MATERIAL, topics=seed_topics(LIBRARY))
    longest = STYLE.longest_prompt(material, len)
    assert longest.endswith(f"Topic: {max(seed_topics(LIBRARY), key=len)}\n1.")
    drawn = [STYLE.draw_prompt(material, random.Random(seed)).prompt for seed in range(2000)]
    assert len(longest) >= max(map(len, drawn))


def test_too_few_types_are_refused() -> None:
    texts = {"dromedary-types": "Type: a\nAbout: b\nTopic: c\n1. d"}
    few = Material(TemplateLibrary(texts), [], [], 1, "en")
    with pytest.raises(
        BadInputError, match=r"'dromedary-types' has 1 types, but a prompt .* needs 2; write"
    ):
        STYLE.longest_prompt(few, len)
