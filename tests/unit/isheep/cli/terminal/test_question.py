"""The question before something is deleted; `test_gc.py` asks it at a terminal."""

import os
from pathlib import Path

import pytest

from isheep.cli.terminal.errors import BadInputError
from isheep.cli.terminal.question import confirmed


def test_without_a_terminal_the_command_is_refused_with_the_option(monkeypatch):
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(
            BadInputError, match=r"^delete lamb: there is no terminal .* add --yes$"
        ):
            confirmed("Delete lamb?", "delete lamb")
