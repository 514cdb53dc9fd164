"""Decisions on records of any origin: one a record, in order, for every record."""

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.curation import filtering
from isheep_worker.curation.decontamination import Decontaminator
from isheep_worker.curation.filtering import Filter, RuleNameError, read_pool
from isheep_worker.rows import data_files
from isheep_worker.rows.data_files import DataFile, line_records
from isheep_worker.rows.records import RecordError
from isheep_worker.rows.task_columns import TaskReader
from isheep_worker.rules.interface import Drop

DEFAULT = ("ISheep", "rouge-l")
RIVERS = "Name three rivers in Asia."


def line(record: Any) -> bytes:
    return json.dumps(record).encode() + b"\n"


def decisions(chosen: Filter, lines: Iterable[bytes]) -> Iterator[Drop | None]:
    return filtering.decisions(chosen, line_records(lines), TaskReader())


def rules_of(*records: Any, names: tuple[str, ...] = DEFAULT, **options: Any) -> list[str | None]:
    drops = decisions(Filter(names, **options), [line(record) for record in records])
    return [drop and drop.rule for drop in drops]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ({"instruction": RIVERS}, None),
        ({"instruction": f"  {RIVERS}\n"}, None),
        ({"instruction": RIVERS, "input": None, "output": None}, None),
        ({"instruction": RIVERS, "input": "<noinput>", "output": "Ob, Lena, Indus."}, None),
        ({"instruction": RIVERS, "input": "", "output": ""}, "empty-response"),
        ({"instruction": RIVERS, "response": "Ob.\nUser: more"}, "new-turn"),
        # The same text twice is no contradiction, and neither is a blank one.
        ({"instruction": RIVERS, "response": "Ob.\nUser: b", "output": "Ob.\nUser: b"}, "new-turn"),
        ({"instruction": RIVERS, "response": "", "output": "Ob.\nUser: more"}, "new-turn"),
        ({"instruction": RIVERS, "response": "Ob.", "output": "a\nUser: b"}, "unreadable"),
        # Each column of other data sets counts for the rules.
        ({"instruction": RIVERS, "context": "A map.", "response": "Ob."}, "blacklist"),
        ({"prompt": RIVERS, "completion": "Ob.\nUser: more"}, "new-turn"),
        ({"messages": [{"role": "user", "content": "Draw it."}]}, "length"),
        # Rules over a pair do not apply without a response.
        ({"instruction": RIVERS, "input": "none"}, None),
        ({"instruction": RIVERS, "input": "none", "output": "Ob."}, "none"),
        ({"instruction": "Draw the river."}, "length"),
        ({"instruction": "Draw the nearest river."}, "blacklist"),
        ({"instruction": RIVERS, "instances": [{"input": "", "output": "Ob."}]}, None),
        (
            {"instruction": RIVERS, "instances": [{"output": "Ob."}, {"output": ""}]},
            "empty-response",
        ),
        ({"instruction": RIVERS, "instances": [{"input": "a map"}]}, "blacklist"),
    ],
)
def test_a_line_gets_the_decision_that_a_run_makes(
    record: dict[str, Any], rule: str | None
) -> None:
    assert rules_of(record) == [rule]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"", "line 2, column 1: is not JSON"),
        (b"\n", "line 2, column 1: is not JSON"),
        (b"{", "line 2, column 2: is not JSON"),
        (b"[" * 100_000, "line 2"),
        (b"7" * 5_000, "line 2: is not JSON"),
        (b'"text"', "line 2: is a text, not an object"),
        (b'{"instruction": "caf\xe9"}', "line 2: is not UTF-8 (byte 21"),
        (b'{"task": "x"}', "line 2: field 'instruction' is missing (the columns are: task)"),
        (b'{"instruction": " "}', "line 2: field 'instruction' is blank"),
        (b'{"instruction": 7}', "line 2: field 'instruction' is a number"),
        (rb'{"instruction": "a \ud800 b"}', "line 2: field 'instruction' holds half of a surr"),
        (rb'{"instruction": "a", "output": "\udfff"}', "line 2: field 'output' holds half"),
        (b'{"instruction": "a", "input": ["b"]}', "line 2: field 'input' is a list"),
        (b'{"instruction": "a", "instances": []}', "line 2: field 'instances' is not a list"),
        (b'{"instruction": "a", "instances": [7]}', "line 2: field 'instances' is not a list"),
        (
            b'{"instruction": "a", "instances": [{}, {"output": 1}]}',
            "line 2: field 'instances[1].output' is a number",
        ),
    ],
)
def test_an_unreadable_line_is_a_drop_with_its_place(text: bytes, detail: str) -> None:
    good = line({"instruction": RIVERS})
    first, second, third = decisions(
        Filter(DEFAULT), [good, text, line({"instruction": "Why so?"})]
    )
    assert first is None
    assert second is not None
    assert (second.rule, second.detail[: len(detail)]) == ("unreadable", detail)
    assert third is not None
    assert third.rule == "length"


def test_only_kept_lines_join_the_pool() -> None:
    maps = {"instruction": "Describe the map of the old town."}
    maze = {"instruction": "Describe the maze of the old town."}
    assert rules_of(maps, maze, maze) == ["blacklist", None, "rouge-l"]
    # The same holds if the rule that drops the line comes after rouge-l.
    names = ("rouge-l", "ISheep")
    assert rules_of(maps, maze, maze, names=names) == ["blacklist", None, "rouge-l"]


def test_lines_are_compared_with_the_pool() -> None:
    chosen = Filter(("rouge-l",))
    chosen.extend_pool(["Name three rivers in Europe."])
    first, second = decisions(chosen, [line({"instruction": RIVERS}), line({"instruction": "x"})])
    assert first is not None
    assert first.detail == "0.800, above 0.7, to: Name three rivers in Europe."
    assert second is None


def test_rules_apply_in_the_order_of_their_names() -> None:
    task = {"instruction": "- Draw it"}
    for names, rule in [
        (("length", "blacklist"), "length"),
        (("blacklist", "length"), "blacklist"),
        (("first-character", "SelfInstruct"), "first-character"),
        (("first_character", "SelfInstruct"), "first-character"),
        (("url",), None),
        (("None",), None),
    ]:
        assert rules_of(task, names=names) == [rule]


def test_a_name_selects_both_rules_that_have_it() -> None:
    records = [{"instruction": "a\x00"}, {"instruction": "a", "output": "\x00"}]
    assert rules_of(*records, names=("control-characters",)) == ["control-characters"] * 2


def test_a_named_rule_applies_to_every_language_and_a_set_does_not() -> None:
    task = {"instruction": "Übersetze das Wort in drei Sprachen."}
    assert rules_of(task) == ["first-character"]
    assert rules_of(task, language="de") == [None]
    assert rules_of(task, language="de", names=("first-character",)) == ["first-character"]


def test_the_detail_of_contamination_is_the_benchmark() -> None:
    decontaminator = Decontaminator(4)
    decontaminator.add_benchmark("arc.jsonl", ["old iron rusts in wet air"])
    chosen = Filter(("contamination",), decontaminator=decontaminator)
    record = {"instruction": "Is it true?", "input": "All iron rusts in wet air."}
    (drop,) = decisions(chosen, [line(record)])
    assert drop is not None
    assert (drop.rule, drop.detail) == ("contamination", "arc.jsonl")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("rogue",), "there is no rule or rule set 'rogue'; use one of ISheep,"),
        (("",), "there is no rule or rule set ''"),
        (("contamination",), "needs benchmark files"),
    ],
)
def test_an_unusable_name_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(RuleNameError, match=message):
        Filter(names)


def test_an_unreadable_line_of_the_pool_is_an_error() -> None:
    pool = line_records([line({"instruction": RIVERS, "output": 7}), b"\n"], "pool.jsonl")
    with pytest.raises(RecordError, match=r"pool\.jsonl, line 1: field 'output' is a number"):
        list(read_pool(pool))
    assert list(read_pool(line_records([b"\n", line({"instruction": RIVERS})]))) == [RIVERS]


def test_a_line_above_the_limit_is_one_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "MAX_LINE_BYTES", 50)
    records = [{"instruction": "x" * size} for size in (10, 30, 31, 200, 11)]
    stream = io.BytesIO(b"".join(line(record) for record in records))
    drops = list(
        filtering.decisions(Filter(("None",)), DataFile(stream, "").records(), TaskReader())
    )
    assert [drop and drop.rule for drop in drops] == [None, None, "unreadable", "unreadable", None]


@given(st.lists(st.binary(max_size=40) | st.text().map(lambda text: line({"instruction": text}))))
def test_each_line_gets_one_decision_that_can_be_encoded(lines: list[bytes]) -> None:
    drops = list(decisions(Filter(DEFAULT), lines))
    assert len(drops) == len(lines)
    for drop in drops:
        if drop is not None:
            assert len(drop.detail) <= 200
            drop.detail.encode()


@pytest.mark.parametrize("names", [DEFAULT, ("SelfInstruct",), ("rouge-l",)])
def test_hostile_lines_are_checked_in_time(names: tuple[str, ...]) -> None:
    texts = [
        "x" * 1_000_000,
        "word " * 50_000,
        "<|im_start|>" * 10_000,
        "\x1b[31m" * 50_000,
        "<b>" * 50_000,
        "שלום " * 50_000,
        "1. Instruction: " * 20_000,
        "\x00",
    ]
    records = [{"instruction": text, "input": text, "output": text} for text in texts]
    drops = list(decisions(Filter(names), [line(record) for record in records * 2]))
    assert len(drops) == 2 * len(texts)
    assert all(len(drop.detail) <= 200 for drop in drops if drop is not None)


@pytest.mark.parametrize(
    ("response", "rule"),
    [
        ("<think>\nOne of them.\n</think>\n\nOb, Lena.", None),
        ("Ob, Lena.", None),
        # The rules see the answer, and a block without an end or an answer is no answer.
        ("<think>\nOne.\n</think>\nOb.\nUser: more", "new-turn"),
        ("<think>\nOne of them.\n</think>", "empty-response"),
        ("<think>\nOne of them.", "thinking"),
    ],
)
def test_thoughts_that_a_run_keeps_can_be_kept(response: str, rule: str | None) -> None:
    record = {"instruction": RIVERS, "output": response}
    assert rules_of(record, thinking="Keep") == [rule]
    assert rules_of(record) == ["thinking" if "<think>" in response else None]
