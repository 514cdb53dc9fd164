"""Every example is a valid run that this version can plan, and no two examples are the same run."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from isheep.api.reading.loader import load_run
from isheep.cli.app import app
from isheep.cli.commands import plan, validate
from isheep.recipes.builders.prepare import data_fields

ROOT = Path(__file__).resolve().parents[4]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
NAMES = [path.relative_to(ROOT).as_posix() for path in EXAMPLES]


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test_an_example_is_valid_and_can_be_planned(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as end:
        validate.command([str(path)])
    assert end.value.exit_code == 0
    assert capsys.readouterr().out == f"{path}: ok\n"
    plan.command(path, str(tmp_path / "store"))
    store, first, *rest, summary, cost = capsys.readouterr().out.splitlines()
    assert store == f"store: {tmp_path / 'store'}"
    assert (first.split()[0], first.split()[2:]) == ("prepare", ["to", "do"])
    assert all("to do" in line and line.endswith("predicted") for line in rest)
    stages = len(rest) + 1
    assert summary.startswith(f"to do: {stages} of {stages} stages, ")
    assert cost.startswith("at most ")


def test_the_commands_validate_and_plan_accept_an_example(tmp_path: Path) -> None:
    path = str(ROOT / "examples/ablations/one-base.yaml")
    for arguments in (["validate", path], ["plan", path, "--store", str(tmp_path / "store")]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output


def test_no_two_examples_are_the_same_run() -> None:
    seen: dict[str, Path] = {}
    for path in EXAMPLES:
        spec = data_fields(load_run(path).run.spec)
        other = seen.setdefault(repr(spec), path)
        assert other is path, f"{path.name} resolves to the same run as {other.name}"
    assert len(seen) == len(EXAMPLES)


def test_no_two_examples_have_the_same_name() -> None:
    names = [load_run(path).run.metadata.name for path in EXAMPLES]
    assert sorted(names) == sorted(path.stem for path in EXAMPLES)
