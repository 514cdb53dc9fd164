"""The reference has every field once, and its links lead to sections."""

from __future__ import annotations

import re

from isheep.api.generation.crd import models_of
from isheep.api.generation.reference import reference_markdown
from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import SelfAlignmentRunStatus


def test_every_model_has_one_section_with_all_of_its_fields() -> None:
    sections = re.split(r"^## ", reference_markdown(), flags=re.MULTILINE)[1:]
    by_name = {section.split("\n", 1)[0]: section for section in sections}
    assert len(by_name) == len(sections)
    models = {*models_of(SelfAlignmentRunSpec), *models_of(SelfAlignmentRunStatus)}
    assert set(by_name) == {model.__name__ for model in models}
    for model in models:
        rows = re.findall(r"^\| `(\w+)` \|", by_name[model.__name__], flags=re.MULTILINE)
        assert rows == [field.alias for field in model.model_fields.values()]


def test_links_lead_to_sections() -> None:
    text = reference_markdown()
    anchors = {name.lower() for name in re.findall(r"^## (\w+)$", text, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= anchors


def test_tables_have_four_columns() -> None:
    for line in reference_markdown().splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5, line
