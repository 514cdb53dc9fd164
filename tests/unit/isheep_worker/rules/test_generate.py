"""The page of rules is current and contains every name."""

from pathlib import Path

from isheep_worker.rules.drop_reasons import DROP_REASONS
from isheep_worker.rules.generate import PAGE, rules_markdown
from isheep_worker.rules.registry import (
    GROUP_RULES,
    INSTRUCTION_RULES,
    PAIR_RULES,
    REGISTERED_TOPIC_RULES,
)

ROOT = Path(__file__).resolve().parents[4]


def test_the_page_of_the_checkout_is_current() -> None:
    message = "run `python -m isheep_worker.rules.generate`"
    assert (ROOT / PAGE).read_text(encoding="utf-8") == rules_markdown(), message


def test_the_page_has_one_row_for_each_rule_and_each_reason() -> None:
    rules = (*INSTRUCTION_RULES, *PAIR_RULES, *GROUP_RULES, *REGISTERED_TOPIC_RULES)
    names = [one.rule.name for one in rules] + [reason.name for reason in DROP_REASONS]
    rows = [line for line in rules_markdown().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == names


def test_an_example_shows_characters_that_are_not_visible() -> None:
    page = rules_markdown()
    assert all(character.isprintable() or character == "\n" for character in page)
    assert "\\ufffd" in page
