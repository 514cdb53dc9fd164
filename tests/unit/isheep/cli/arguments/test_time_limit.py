import pytest

from isheep.cli.arguments.time_limit import seconds_of
from isheep.cli.terminal.errors import BadInputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1d1s", 86401)],
)
def test_a_time_has_numbers_with_units(text, seconds):
    assert seconds_of("--timeout", text) == seconds


@pytest.mark.parametrize("text", ["", "2", "2 h", "-1s", "1s1h", "1.5h", "h"])
def test_other_texts_are_refused(text):
    with pytest.raises(BadInputError, match=r"--timeout .*such as 2h or 1h30m"):
        seconds_of("--timeout", text)
