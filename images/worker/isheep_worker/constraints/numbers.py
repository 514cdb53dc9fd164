"""Numbers in an instruction: digits, or the words for small and round numbers."""

from __future__ import annotations

_SMALL = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen"),
)
_ROUND = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "a hundred": 100,
    "one hundred": 100,
    "two hundred": 200,
    "three hundred": 300,
    "five hundred": 500,
}
_VALUES = {**{word: n for n, word in enumerate(_SMALL, start=1)}, **_ROUND}
NUMBER = r"(?:\d{1,4}|\d,\d{3}|" + "|".join(sorted(_VALUES, key=lambda word: -len(word))) + r")"
"""A pattern of the numbers that `number_of` reads; use it without regard to case."""


def number_of(text: str) -> int:
    """Return the value of a text that matches `NUMBER`."""
    plain = text.lower().replace(",", "")
    return _VALUES[plain] if plain in _VALUES else int(plain)
