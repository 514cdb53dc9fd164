"""The private names of typer that completion uses, and the version range that admits them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer import _completion_classes

from isheep.cli.completion import enable_completion

PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"
SHELLS = ("BashComplete", "ZshComplete", "FishComplete", "PowerShellComplete")


@pytest.mark.parametrize("name", ["completion_init", "_sanitize_help_text", *SHELLS])
def test_typer_has_the_private_names(name: str) -> None:
    assert hasattr(_completion_classes, name), (
        f"typer {typer.__version__} has no _completion_classes.{name}: adapt isheep.cli.completion "
        "and the version range in pyproject.toml"
    )


def test_the_shells_write_help_texts_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_rich(_text: str) -> str:
        raise AssertionError("the help text is rendered with rich")

    monkeypatch.setattr(_completion_classes, "_sanitize_help_text", no_rich)
    enable_completion()
    item = SimpleNamespace(value="run", help="[bold]Run[/bold] a run")
    for shell in SHELLS[1:]:
        writer = getattr(_completion_classes, shell).format_completion
        assert "[bold]Run[/bold] a run" in writer(None, item), shell


def test_the_project_admits_the_installed_minor_version_of_typer_only() -> None:
    dependencies = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["dependencies"]
    major, minor, *_ = typer.__version__.split(".")
    expected = f"typer>={major}.{minor},<{major}.{int(minor) + 1}"
    assert [name for name in dependencies if name.startswith("typer")] == [expected]
