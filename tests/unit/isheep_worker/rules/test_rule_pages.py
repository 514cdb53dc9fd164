"""Each name under which a text is dropped has one page, to which the list of rules links."""

import re
from pathlib import PurePosixPath

import pytest

from isheep_worker.rules.generate import rules_markdown
from isheep_worker.rules.registry import INSTRUCTION_RULES, PAIR_RULES, all_names
from isheep_worker.rules.rule_pages import FOLDER, rule_pages

PAGES = rule_pages()


@pytest.mark.parametrize("name", sorted(all_names()))
def test_a_name_has_a_page_with_its_statistic(name: str) -> None:
    file = re.sub("-(quality|following)(-|$)", r"-level\2", name)
    page = PAGES[f"{FOLDER}/{file}.md"]
    assert (f"`drop:{name}`" in page) == (name != "unreadable")


def test_the_list_links_to_every_page() -> None:
    linked = re.findall(r"\]\(rules/([\w-]+\.md)\)", rules_markdown())
    assert set(linked) == {PurePosixPath(path).name for path in PAGES}


@pytest.mark.parametrize("one", [*INSTRUCTION_RULES, *PAIR_RULES], ids=lambda one: one.rule.name)
def test_the_page_of_a_rule_has_its_text_and_a_command(one: object) -> None:
    rule = one.rule  # type: ignore[attr-defined]
    page = PAGES[f"{FOLDER}/{rule.name}.md"]
    assert rule.drops in page
    assert f"isheep filter tasks.jsonl --rules {rule.name} -o decisions.jsonl" in page


def test_an_example_shows_characters_that_are_not_visible() -> None:
    for page in PAGES.values():
        assert all(character.isprintable() or character == "\n" for character in page)
