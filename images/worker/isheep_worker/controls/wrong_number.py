"""WrongNumber: one number of the response is another number. The most subtle damage."""

from __future__ import annotations

import re

from isheep_worker.controls.interface import ControlDefinition, Source

# Not the number of a list's item, and no part of a word or of a longer number.
_NUMBER = re.compile(r"(?<![\w.,])\d{1,9}(?![\w]|[.,]\d)(?!\s*[.)]\s)", re.ASCII)


def wrong_number(source: Source) -> str | None:
    """Return the response with its last number doubled and raised by 3; None without a number.

    The new number always differs from the old one, and is never its rounded form.
    """
    numbers = list(_NUMBER.finditer(source.response))
    if not numbers:
        return None
    last = numbers[-1]
    wrong = str(2 * int(last.group()) + 3)
    return source.response[: last.start()] + wrong + source.response[last.end() :]


WRONG_NUMBER = ControlDefinition(wrong_number, "the response with one wrong number")
