"""A time limit on the command line, such as `90s`, `30m`, `2h` or `1h30m`."""

from __future__ import annotations

import re

from isheep.cli.terminal.errors import BadInputError

_FORM = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (86400, 3600, 60, 1)


def seconds_of(option: str, text: str) -> int:
    """Return the seconds of a time limit; raises `BadInputError`, which names the option."""
    found = _FORM.fullmatch(text)
    if found is None or not text:
        raise BadInputError(
            f"{option} {text!r}: write numbers with the units d, h, m and s in this order, such as "
            "2h or 1h30m"
        )
    return sum(int(n or 0) * unit for n, unit in zip(found.groups(), _SECONDS, strict=True))
