"""Chinese characters in the response of a run in English: the model changed its language."""

from __future__ import annotations

import re

from isheep_worker.rules.interface import Example, Pair, Rule

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")


def _check(row: Pair) -> str | None:
    match = _HAN.search(row.response)
    return match and match[0]


CHINESE: Rule[Pair] = Rule(
    "chinese",
    _check,
    drops="The response contains a Chinese character.",
    example=Example(response="A small bird is 鸟."),
    english_only=True,
)
