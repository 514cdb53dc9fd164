"""Chinese characters in an English run's response: a bilingual model that changed its language."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Pair, Rule

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")


def _check(row: Pair) -> str | None:
    match = _HAN.search(row.response)
    return match and match[0]


CHINESE: Rule[Pair] = Rule("chinese", _check, english_only=True)
