"""Every example of the checkout is a run that this version carries out, and one of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from isheep.api.loader import load_run
from isheep.cli import plan, validate
from isheep.cli.app import app
from isheep.recipes.builders.prepare import data_fields

ROOT = Path(__file__).resolve().parents[4]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
NAMES = [path.relative_to(ROOT).as_posix() for path in EXAMPLES]


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_valid_and_can_be_planned(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validate.command(path)
    assert capsys.readouterr().out == f"{path}: ok\n"
    plan.command(path, str(tmp_path / "store"))
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert (first.split()[0], first.split()[2:]) == ("prepare", ["to", "do"])
    assert rest == "what follows depends on the result of prepare\n"


def test_an_example_is_valid_and_can_be_planned_by_hand(tmp_path: Path) -> None:
    path = str(ROOT / "examples/ablations/one-base.yaml")
    for arguments in (["validate", path], ["plan", path, "--store", str(tmp_path / "store")]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output


def test_no_two_examples_do_the_same() -> None:
    seen: dict[str, Path] = {}
    for path in EXAMPLES:
        spec = data_fields(load_run(path).run.spec)
        other = seen.setdefault(repr(spec), path)
        assert other is path, f"{path.name} resolves to what {other.name} does"
    assert len(seen) == len(EXAMPLES)


def test_no_two_examples_have_one_name() -> None:
    names = [load_run(path).run.metadata.name for path in EXAMPLES]
    assert sorted(names) == sorted(path.stem for path in EXAMPLES)
