"""docs/method.md is correct: its tables, its links and its statements about shared stages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from isheep.api.reading.loader import load_run
from isheep.api.reading.yaml_reader import read_documents
from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.walk import walk
from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from ..isheep.recipes.stages_of import PREPARED

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/method.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEAD = ["field", "Paper", "Scripts", "why"]
READINGS = {"Paper": "paper-72b.yaml", "Scripts": "scripts-72b.yaml"}

VALUE = re.compile(r"`(?P<value>[^`]+)`")
DEFAULT = re.compile(r"— \(`(?P<value>[^`]+)`\)")


class Cell(NamedTuple):
    """The value of a field in the paper or the scripts; `default` if neither defines it."""

    field: str
    reading: str
    default: bool
    value: Any


def cells() -> Iterator[Cell]:
    """Yield the two cells of each row, from all tables with the header HEAD."""
    inside = False
    for line in TEXT.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        inside = bool(row) and (inside or row == HEAD)
        if not inside or row == HEAD or set(line) <= set("|-"):
            continue
        field, *readings, _ = row
        for reading, text in zip(READINGS, readings, strict=True):
            default, value = DEFAULT.fullmatch(text), VALUE.fullmatch(text)
            match = default or value
            assert match is not None, f"{field}, {reading}: {text} is neither a value nor a dash"
            (document,) = read_documents(match["value"])
            yield Cell(field.strip("`"), reading, default is not None, document.value)


def leaves(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


@cache
def spec_of(name: str) -> SelfAlignmentRunSpec:
    return load_run(ROOT / "examples" / name).run.spec


def fields(spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    """Return all fields that a stage's data depends on, with defaults, by dotted path."""
    return dict(leaves(data_fields(spec)))


CELLS = list(cells())
DEFAULTS = fields(
    SelfAlignmentRunSpec.read(
        {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}}
    )
)


@pytest.mark.parametrize("cell", CELLS, ids=[f"{c.field}-{c.reading}" for c in CELLS])
def test_a_cell_has_the_value_of_its_file(cell: Cell) -> None:
    assert cell.value == fields(spec_of(READINGS[cell.reading]))[cell.field]
    if cell.default:
        assert cell.value == DEFAULTS[cell.field]


def test_the_tables_contain_each_field_that_data_depends_on_once() -> None:
    for reading, name in READINGS.items():
        listed = [cell.field for cell in CELLS if cell.reading == reading]
        assert sorted(listed) == sorted(fields(spec_of(name)))


def test_the_page_contains_the_number_of_differences() -> None:
    paper, scripts = (fields(spec_of(name)) for name in READINGS.values())
    different = {path for path in paper if paper[path] != scripts[path]}
    assert different == {
        "assessment.assessor",
        "assessment.parsing",
        "assessment.promptFormat",
        "assessment.sampling.maxTokens",
        "curation.dropLast",
        "responses.cut",
        "training.take",
    }
    assert "differ in seven." in TEXT


def test_the_two_files_have_the_same_settings_outside_of_the_method() -> None:
    paper, scripts = (spec_of(name).document() for name in READINGS.values())
    for name in ("compute", "engine", "storage", "activeDeadlineSeconds"):
        assert paper[name] == scripts[name]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))))
def test_the_target_of_a_link_exists(target: str) -> None:
    if target.startswith("https://"):
        return
    name, _, anchor = target.partition("#")
    text = (PAGE.parent / name).read_text(encoding="utf-8")
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line[:1] == "#"}
    assert not anchor or anchor in headings


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "examples/ablations").iterdir()))
def test_each_ablation_has_a_row(name: str) -> None:
    assert f"(../examples/ablations/{name})" in TEXT


def keys(name: str) -> dict[str, str]:
    """Return the keys of all stages if each round accepts all tasks and each select keeps 100."""
    spec = spec_of(name)
    found = {"accepted": spec.instructions.count, "kept": 100}
    walked = walk(RECIPES[spec.recipe], spec, PREPARED, STAGE_VERSIONS, lambda _stage, _key: found)
    assert walked.end.complete
    return dict(walked.keys)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("total-base", "i2/select"),
        ("one-last", "i2/select"),
        ("threshold-2", "i1/assess"),
        ("threshold-9", "i1/assess"),
        ("rubric-simple", "i1/respond"),
        ("rubric-in-context", "i1/respond"),
        ("level-quality", "i1/respond"),
        ("level-following", "i1/respond"),
        ("threshold-0", "i1/respond"),
        ("filter-perplexity", "i1/respond"),
        ("filter-density", "i1/respond"),
        ("filter-density-perplexity", "i1/respond"),
        ("filter-random", "i1/assess"),
    ],
)
def test_an_arm_shares_the_stages_with_one_base_that_the_page_names(name: str, last: str) -> None:
    base, arm = keys("ablations/one-base.yaml"), keys(f"ablations/{name}.yaml")
    shared = [stage for stage in base if arm.get(stage) == base[stage]]
    assert shared[-1] == last
    before = [stage for stage in base if not stage.endswith(("prepare", "report"))]
    assert shared == before[: before.index(last) + 1]


def test_the_run_of_the_paper_reuses_the_stages_of_one_base() -> None:
    base, paper = keys("ablations/one-base.yaml"), keys("paper-72b.yaml")
    different = [stage for stage in base if paper[stage] != base[stage]]
    assert different == ["prepare", "i1/report", "i2/report", "i3/report"]
