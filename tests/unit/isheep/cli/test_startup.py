"""`isheep --help`, `--version` and shell completion import only what they need to start quickly."""

import json
import os
import subprocess
import sys

import pytest

from isheep.cli.app import COMMANDS

SLOW = ("pydantic", "boto3", "botocore", "kubernetes", "kopf", "torch", "rich", "isheep_worker")
PROGRAM = """
import atexit, json, sys
from isheep.cli import main
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv[0] = "isheep"
main()
"""


def isheep(*arguments: str, **environment: str) -> tuple[str, set[str]]:
    """Return the output of a command line and the modules that its process has loaded."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout, set(json.loads(result.stderr))


def complete(words: str) -> tuple[str, set[str]]:
    """Complete the last word of a bash command line."""
    return isheep(
        _ISHEEP_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" "))
    )


def slow(modules: set[str]) -> set[str]:
    return modules & set(SLOW)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("run", "-h"), ("init", "-h")])
def test_help_and_version_load_no_slow_package(arguments: tuple[str, ...]) -> None:
    output, modules = isheep(*arguments)
    assert output
    assert not slow(modules)


def test_the_help_lists_every_command() -> None:
    output, _ = isheep("--help")
    _, commands = output.split("Commands:\n")
    assert [line.split()[0] for line in commands.splitlines()] == list(COMMANDS)


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("isheep ", list(COMMANDS)),
        ("isheep re", ["report", "resume", "retry"]),
        ("isheep run run.yaml --s", ["--store", "--set"]),
        ("isheep --debug status -o ", ["text", "json"]),
        ("isheep --version ", list(COMMANDS)),
    ],
)
def test_completion_lists_commands_options_and_choices(words: str, completions: list[str]) -> None:
    output, modules = complete(words)
    assert output.split() == completions
    assert not slow(modules)


def test_completion_in_zsh_loads_no_slow_package() -> None:
    output, modules = isheep(_ISHEEP_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="isheep ")
    assert '"run":"' in output
    assert not slow(modules)


def test_the_completion_script_is_printed_on_request() -> None:
    output, _ = isheep(_ISHEEP_COMPLETE="source_bash")
    assert "complete -o default -F _isheep_completion isheep" in output
