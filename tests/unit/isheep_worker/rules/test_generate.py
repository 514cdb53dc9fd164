"""The page of rules is current and contains every name."""

from pathlib import Path

from isheep_worker.rules.drop_reasons import DROP_REASONS
from isheep_worker.rules.generate import generated, rules_markdown, write
from isheep_worker.rules.registry import (
    GROUP_RULES,
    INSTRUCTION_RULES,
    PAIR_RULES,
    REGISTERED_TOPIC_RULES,
)
from isheep_worker.rules.rule_pages import FOLDER

ROOT = Path(__file__).resolve().parents[4]


def test_the_pages_of_the_checkout_are_current() -> None:
    pages = [ROOT / "docs/reference/rules.md", *(ROOT / FOLDER).iterdir()]
    found = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in pages}
    assert found == generated(), "run `python -m isheep_worker.rules.generate`"


def test_the_page_of_a_former_rule_is_removed(tmp_path: Path) -> None:
    former = tmp_path / FOLDER / "former.md"
    former.parent.mkdir(parents=True)
    former.touch()
    write(tmp_path)
    assert not former.exists()
    assert (former.parent / "rouge-l.md").exists()


def test_the_page_has_one_row_for_each_rule_and_each_reason() -> None:
    rules = (*INSTRUCTION_RULES, *PAIR_RULES, *GROUP_RULES, *REGISTERED_TOPIC_RULES)
    names = [one.rule.name for one in rules] + [reason.name for reason in DROP_REASONS]
    rows = [line for line in rules_markdown().splitlines() if line.startswith("| [`")]
    assert [row.split("`")[1] for row in rows] == names


def test_an_example_shows_characters_that_are_not_visible() -> None:
    page = rules_markdown()
    assert all(character.isprintable() or character == "\n" for character in page)
    assert "\\ufffd" in page
