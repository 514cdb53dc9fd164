"""The generated examples are up to date, different from each other, and free of defaults."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from isheep.api.reading.loader import load_run
from isheep.api.run import SelfAlignmentRunSpec

ROOT = Path(__file__).resolve().parents[3]


def generator() -> ModuleType:
    """Load `hack/examples.py`, which is not in a package."""
    spec = importlib.util.spec_from_file_location("examples_generator", ROOT / "hack/examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses read their module from here
    spec.loader.exec_module(module)
    return module


GENERATOR = generator()
EXAMPLES = GENERATOR.examples()


def leaves(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def test_the_checkout_has_exactly_the_generated_files() -> None:
    wanted = GENERATOR.generated(ROOT)
    for name, text in wanted.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, "run `make generate`"
    there = {p.relative_to(ROOT).as_posix() for p in (ROOT / GENERATOR.FOLDER).iterdir()}
    assert there == set(wanted) - {GENERATOR.PAGE}


def test_write_creates_the_folder_and_replaces_only_the_table_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / GENERATOR.PAGE
    page.parent.mkdir(parents=True)
    page.write_text(f"before\n{GENERATOR.BEGIN}old\n{GENERATOR.END}after\n", encoding="utf-8")

    GENERATOR.write(tmp_path)

    table = GENERATOR.rows_markdown()
    expected = f"before\n{GENERATOR.BEGIN}{table}{GENERATOR.END}after\n"
    assert page.read_text(encoding="utf-8") == expected
    assert len(list((tmp_path / GENERATOR.FOLDER).iterdir())) == len(EXAMPLES)


@pytest.mark.parametrize("page", ["", "begin only: {begin}", "end only: {end}"])
def test_a_page_without_both_marks_is_refused(tmp_path: Path, page: str) -> None:
    path = tmp_path / GENERATOR.PAGE
    path.parent.mkdir(parents=True)
    text = page.format(begin=GENERATOR.BEGIN, end=GENERATOR.END)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="marks around the table"):
        GENERATOR.write(tmp_path)
    assert path.read_text(encoding="utf-8") == text


def test_two_runs_with_the_same_name_are_refused() -> None:
    row = next(row for row in GENERATOR.ROWS if row.example is not None)
    other = replace(row, example=replace(row.example, iterations=row.example.iterations + 1))
    with pytest.raises(ValueError, match=row.example.name):
        GENERATOR.examples([row, other])


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_contains_only_differences_from_the_defaults(name: str) -> None:
    loaded = load_run(ROOT / GENERATOR.FOLDER / f"{name}.yaml")
    assert loaded.run.metadata.name == name
    required = {"recipe", "iterations", "model.storageUri"}
    written = dict(leaves(loaded.document["spec"]))
    bare = SelfAlignmentRunSpec.read(
        {
            "recipe": "ISheep",
            "iterations": 1,
            "model": {"storageUri": written["model.storageUri"]},
        }
    )
    defaults = dict(leaves(bare.document()))
    repeated = {path for path, value in written.items() if defaults.get(path) == value}
    assert repeated <= required


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_changes_of_its_row(name: str) -> None:
    resolved = dict(leaves(load_run(ROOT / GENERATOR.FOLDER / f"{name}.yaml").run.spec.document()))
    example = EXAMPLES[name]
    assert {path: resolved[path] for path in example.changes} == dict(example.changes)
    assert resolved["iterations"] == example.iterations
