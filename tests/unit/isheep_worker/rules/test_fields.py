"""Rules that compare the fields of a pair."""

import re

import pytest

from isheep.contract.invisible_characters import INVISIBLE
from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.fields import (
    EMPTY_RESPONSE,
    ENDS_WITH_COLON,
    INPUT_EQUALS_RESPONSE,
    INPUT_IN_INSTRUCTION,
)
from isheep_worker.rules.interface import Pair, Rule

ALL_INVISIBLE = "".join(re.findall(f"[{INVISIBLE}]", "".join(map(chr, range(0x110000)))))


@pytest.mark.parametrize(
    ("rule", "task_input", "response", "detail"),
    [
        (EMPTY_RESPONSE, "", "", "the response is empty"),
        (EMPTY_RESPONSE, "", " \n\t", "the response is empty"),
        (EMPTY_RESPONSE, "", "\u200b \u00ad\ufeff", "the response is empty"),
        (EMPTY_RESPONSE, "", "\ufff9\ufffa\ufffb\U0001d173\x00", "the response is empty"),
        pytest.param(
            EMPTY_RESPONSE, "", ALL_INVISIBLE, "the response is empty", id="all invisible"
        ),
        pytest.param(EMPTY_RESPONSE, "", f"{ALL_INVISIBLE}x", None, id="all invisible but one"),
        (EMPTY_RESPONSE, "", "x", None),
        (INPUT_IN_INSTRUCTION, "a bird", "x", "a bird"),
        (INPUT_IN_INSTRUCTION, " a bird\n", "x", "a bird"),
        (INPUT_IN_INSTRUCTION, "a bi\u00adrd", "x", "a bird"),
        (INPUT_IN_INSTRUCTION, "\u200b", "x", None),
        (INPUT_IN_INSTRUCTION, "A bird", "x", None),
        (INPUT_IN_INSTRUCTION, "", "x", None),
        (INPUT_IN_INSTRUCTION, "  ", "x", None),
        (INPUT_EQUALS_RESPONSE, "wren", " wren ", "wren"),
        (INPUT_EQUALS_RESPONSE, "wre\u200bn", "ｗｒｅｎ", "wren"),
        (INPUT_EQUALS_RESPONSE, "cafe\u0301", "caf\u00e9", "caf\u00e9"),
        (INPUT_EQUALS_RESPONSE, "wren", "a wren", None),
        (INPUT_EQUALS_RESPONSE, "", "", None),
        (ENDS_WITH_COLON, "birds: ", "x", "input"),
        (ENDS_WITH_COLON, "", "Here they are:\n", "response"),
        (ENDS_WITH_COLON, "", "三种鸟：\u200b", "response"),
        (ENDS_WITH_COLON, "a: b", "c: d", None),
    ],
)
def test_rules_over_fields(
    rule: Rule[Pair], task_input: str, response: str, detail: str | None
) -> None:
    pair = PairRow("id", "Name a bird.", task_input, response, "stop", 9, 4)
    assert rule.check(pair) == detail
