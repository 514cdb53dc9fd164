"""The values of `--set` on a command line."""

import pytest

from isheep.cli.arguments.set_option import set_values
from isheep.cli.terminal.errors import BadInputError


def test_the_values_keep_their_order():
    found = set_values(["spec.iterations=2", "spec.language=de"])
    assert [(one.path, one.value) for one in found] == [
        (("spec", "iterations"), 2),
        (("spec", "language"), "de"),
    ]
    assert set_values(None) == ()


def test_a_value_that_cannot_be_read_is_bad_input():
    with pytest.raises(BadInputError, match="--set 'iterations': a field begins with spec"):
        set_values(["spec.iterations=2", "iterations=2"])
