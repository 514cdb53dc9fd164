"""The chart's README has every value of values.yaml, with its default and its comment."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts/isheep-operator"


def generator() -> ModuleType:
    """Load `hack/chart_readme.py`, which is not in a package."""
    spec = importlib.util.spec_from_file_location("chart_readme", ROOT / "hack/chart_readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = generator()
README = (CHART / "README.md").read_text("utf-8")
VALUES = (CHART / "values.yaml").read_text("utf-8")


def test_the_table_of_the_checkout_is_current() -> None:
    assert GENERATOR.readme(README, VALUES) == README, "run `python hack/chart_readme.py`"


def test_each_value_of_the_schema_is_in_a_row_or_is_an_object_of_rows() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    for name in set(schema["properties"]) - {"global"}:
        assert f"| `{name}` |" in README or f"| `{name}." in README


def test_a_row_has_the_path_the_default_and_the_whole_comment() -> None:
    assert '| `image.pullPolicy` | `"IfNotPresent"` | When the kubelet pulls' in README
    assert "| `networkPolicy.apiServer.ports` | `[443, 6443]` |" in README
    (row,) = (line for line in README.splitlines() if line.startswith("| `modelMirrors` |"))
    assert row.endswith("It does not change the keys of stages. |")


def test_a_value_without_a_comment_is_refused() -> None:
    with pytest.raises(ValueError, match="new has no comment"):
        GENERATOR.rows("# One.\nold: 1\nnew: 2\n")


def test_a_comment_belongs_to_the_key_below_it_only() -> None:
    text = "# About the object.\nouter:\n  # About a.\n  a: 1\n\n  # About b.\n  b: {c: 1}\n"
    assert GENERATOR.comments(text)["outer.a"] == "About a."
    assert list(GENERATOR.leaves(yaml.safe_load(text), GENERATOR.comments(text))) == [
        "outer.a",
        "outer.b",
    ]
