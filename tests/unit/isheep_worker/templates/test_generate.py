"""The page of prompt templates is current and contains every key."""

from pathlib import Path

import pytest

from isheep_worker.templates.generate import PAGE, templates_markdown
from isheep_worker.templates.library import VARIABLES

ROOT = Path(__file__).resolve().parents[4]


def test_the_page_of_the_checkout_is_current() -> None:
    message = "run `python -m isheep_worker.templates.generate`"
    assert (ROOT / PAGE).read_text(encoding="utf-8") == templates_markdown(), message


@pytest.mark.parametrize("key", VARIABLES)
def test_a_key_has_one_row_in_the_section_of_its_recipe(key: str) -> None:
    sections = templates_markdown().split("\n## ")
    (section,) = (text for text in sections if f"\n| `{key}` |" in text)
    assert section.split("\n")[0] == (VARIABLES[key].recipe or "Every recipe")
