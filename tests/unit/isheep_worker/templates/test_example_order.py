"""The orders of worked examples in a template."""

from collections import Counter

import pytest

from isheep_worker.templates.example_order import ExampleOrders, reordered
from isheep_worker.templates.library import PromptTemplateError, TemplateLibrary

LIBRARY = TemplateLibrary()
VALUES = {"instruction": "Add.\n###\n", "input": "", "response": "3\n###\n4", "level": "Quality"}
TEXT = "head\n###\none\n###\ntwo\n###\nthe pair\n"


def test_every_order_has_the_same_sections():
    assert reordered("x", TEXT) == {
        "1-2": TEXT,
        "2-1": "head\n###\ntwo\n###\none\n###\nthe pair\n",
    }


@pytest.mark.parametrize("name", ["assess-incontext", "score-incontext"])
def test_the_built_in_examples_have_six_orders_of_which_the_first_is_the_papers(name):
    texts = reordered(name, LIBRARY.texts[name])
    assert list(texts) == ["1-2-3", "1-3-2", "2-1-3", "2-3-1", "3-1-2", "3-2-1"]
    assert texts["1-2-3"] == LIBRARY.texts[name]
    assert len(set(texts.values())) == 6
    assert len({text.partition("###\n")[0] for text in texts.values()}) == 1
    assert len({text.rpartition("###\n")[2] for text in texts.values()}) == 1


def test_a_separator_in_the_pair_is_not_a_separator_of_the_template():
    orders = ExampleOrders(LIBRARY, "assess-incontext")
    one = orders.library("1-2-3").render("assess-incontext", **VALUES)
    other = orders.library("3-1-2").render("assess-incontext", **VALUES)
    pair = "Task: Add.\n###\n\nResponse: 3\n###\n4\n"
    assert one.partition(pair)[2] == other.partition(pair)[2]
    assert one.index("water") < one.index("apple") < one.index("polite")
    assert other.index("polite") < other.index("water") < other.index("apple")
    assert one == LIBRARY.render("assess-incontext", **VALUES)


def test_the_order_depends_on_seed_and_item_and_all_orders_are_drawn():
    orders = ExampleOrders(LIBRARY, "score-incontext")
    drawn = [orders.draw(7, "i1/assess", f"i1-r1-c{n:05}-p1") for n in range(600)]
    assert drawn == [orders.draw(7, "i1/assess", f"i1-r1-c{n:05}-p1") for n in range(600)]
    assert drawn != [orders.draw(8, "i1/assess", f"i1-r1-c{n:05}-p1") for n in range(600)]
    assert len(Counter(drawn)) == 6
    assert min(Counter(drawn).values()) > 60


@pytest.mark.parametrize("examples", [0, 1, 6])
def test_a_template_with_too_few_or_too_many_examples_is_refused(examples):
    text = "###\n".join(["head\n", *["example\n"] * examples, "pair\n"])
    if not examples:
        text = "no line that separates anything\n"
    with pytest.raises(PromptTemplateError, match=f"has {examples} worked examples between"):
        reordered("assess-incontext", text)
