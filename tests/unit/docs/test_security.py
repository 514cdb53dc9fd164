"""docs/security.md is proved: every sentence of its tables has a test, which exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
HEAD = "| sentence | test |\n|---|---|\n"


def rows() -> list[tuple[str, str]]:
    """Return the sentences of the page with their tests."""
    found = []
    for table in TEXT.split(HEAD)[1:]:
        for line in table.split("\n\n")[0].splitlines():
            sentence, test = (cell.strip() for cell in line.strip("|").split("|"))
            found.append((sentence, test))
    return found


@pytest.mark.parametrize(("sentence", "test"), rows(), ids=lambda cell: cell[:60])
def test_a_sentence_has_a_test_that_exists(sentence: str, test: str) -> None:
    match = re.fullmatch(r"`(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)`", test)
    assert match is not None, sentence
    assert f"def {match['name']}(" in (ROOT / match["file"]).read_text("utf-8")


def test_the_page_has_all_tables() -> None:
    assert TEXT.count(HEAD) == 4
    assert len(rows()) >= 15


def test_the_page_explains_every_list() -> None:
    values = yaml.safe_load((ROOT / "charts/isheep-operator/values.yaml").read_text("utf-8"))
    lists = {name for name, value in values["admission"].items() if isinstance(value, list)}
    heads = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", TEXT, re.MULTILINE)
    explained = {name for head in heads for name in re.findall(r"`(\w+)`", head)}
    assert explained == lists - {"statusWriters"}
