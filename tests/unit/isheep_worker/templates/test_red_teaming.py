"""The types and seed topics of red-teaming."""

import pytest

from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.interface import first_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.rules.topic import TOPIC_RULES
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary
from isheep_worker.templates.red_teaming import instruction_types, seed_topics

LIBRARY = TemplateLibrary()


def test_the_rules_drop_no_entry_of_the_built_in_lists():
    rules = rule_set("Dromedary", "en").instruction_rules
    types = instruction_types(LIBRARY)
    assert len({one.name for one in types}) == len(types) == 20
    for text in (text for one in types for text in one.instructions):
        assert first_drop(rules, PairRow("i", text, "", "", "stop", 1, 1)) is None, text
    topics = seed_topics(LIBRARY)
    assert len(set(topics)) == len(topics)
    assert all(first_drop(TOPIC_RULES, topic) is None for topic in topics)


def test_types_can_be_replaced():
    own = "Type: a\nAbout: b\n c\nTopic: d\n1. E?\n2. F!\n\n G.\n"
    (one,) = instruction_types(TemplateLibrary({"dromedary-types": own}))
    assert (one.name, one.about, one.topic) == ("a", "b c", "d")
    assert one.instructions == ("E?", "F!", "G.")


def test_seed_topics_can_be_replaced():
    assert seed_topics(TemplateLibrary({"dromedary-seed-topics": "\n a \n\nb"})) == ("a", "b")
    with pytest.raises(PromptTemplateError, match="has no topic: write one topic a line"):
        seed_topics(TemplateLibrary({"dromedary-seed-topics": " \n"}))


def test_the_prompt_for_topics_must_use_the_types():
    with pytest.raises(PromptTemplateError, match="never uses 'types'"):
        TemplateLibrary({"dromedary-topics": "Topics:\n"})
