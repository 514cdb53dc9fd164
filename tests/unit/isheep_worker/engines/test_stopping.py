"""Stop strings are found during generation, at any token boundary."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.engines.stopping import StopStrings

HIDDEN = 999


def completed(pieces: Sequence[str], stops: Sequence[str]) -> str | None:
    """Feed one token for each piece; return the text before the stop string, or None."""

    def decode(ids: Sequence[int]) -> str:
        return "".join(pieces[i] for i in ids)

    strings = StopStrings(stops, decode, frozenset({HIDDEN}))
    for token in range(len(pieces)):
        assert strings.feed(HIDDEN) is None
        text = strings.feed(token)
        if text is not None:
            return text
    assert strings.text() == "".join(pieces)
    return None


@pytest.mark.parametrize(
    ("pieces", "stops", "text"),
    [
        (["a", "b"], [], None),
        (["a", "\n17", ". Inst", "ruction:", " x"], ["\n17. Instruction:"], "a"),
        (["in 17", "89"], ["\n17. Instruction:"], None),
        (["one END two"], ["END"], "one "),
        (["x", "STOP"], ["STOP", "x"], ""),
        (["ab", "cd"], ["d", "bc"], "a"),
        (["END"], ["END"], ""),
        (["x"] * 50 + ["E", "N", "D"], ["END"], "x" * 50),
    ],
)
def test_the_text_ends_before_the_first_stop_string(
    pieces: list[str], stops: list[str], text: str | None
):
    assert completed(pieces, stops) == text


@given(
    pieces=st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=30),
    stops=st.lists(st.text("ab\n", min_size=1, max_size=5), min_size=1, max_size=3),
)
def test_the_window_finds_each_stop_string(pieces: list[str], stops: list[str]):
    """The first token that completes any stop string ends the text at the earliest one."""
    expected = None
    for count in range(1, len(pieces) + 1):
        text = "".join(pieces[:count])
        found = [text.find(stop) for stop in stops if stop in text]
        if found:
            expected = text[: min(found)]
            break
    assert completed(pieces, stops) == expected
