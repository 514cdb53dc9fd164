"""The page of commands is current and has every command and option, and needs no heavy package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from isheep.cli.app import COMMANDS, app
from isheep.cli.generate import PAGE, cli_markdown

from .test_startup import SLOW

ROOT = Path(__file__).resolve().parents[4]
TEXT = cli_markdown()


def test_the_page_of_the_checkout_is_current() -> None:
    message = "run `python -m isheep.cli.generate`"
    assert (ROOT / PAGE).read_text(encoding="utf-8") == TEXT, message


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_section_with_all_of_its_options(name: str) -> None:
    section = TEXT.partition(f"\n## isheep {name}\n")[2].partition("\n## ")[0]
    assert section
    for parameter in typer.main.get_command(app).commands[name].params:
        if parameter.param_type_name == "option":
            assert f"| `{parameter.opts[0]}`" in section


def test_a_choice_lists_its_values() -> None:
    assert "`prompt-completion`, `messages`, `alpaca`" in TEXT


def test_the_generator_loads_no_slow_package() -> None:
    program = (
        "import sys; from isheep.cli.generate import cli_markdown; cli_markdown(); "
        "print(*sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(found.stdout.split()) & set(SLOW)


def test_the_values_of_an_option_with_choices_are_listed() -> None:
    row = next(line for line in cli_markdown().splitlines() if "or the runs as JSON" in line)
    assert "`text`, `json`" in row
