"""The reader of seed files: its formats, every error, and the built-in seed tasks."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.inputs.seed_tasks import (
    SeedTask,
    SeedTaskError,
    check_enough_seed_tasks,
    check_outputs,
    default_seed_tasks,
    read_seed_file,
    read_seed_tasks,
)
from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.interface import first_drop
from isheep_worker.rules.sets import rule_set
from isheep_worker.text.tokenization import word_count

SELF_INSTRUCT = {
    "id": "t1",
    "name": "tides",
    "instruction": " Why are there tides? ",
    "instances": [{"input": "", "output": "The moon pulls."}, {"input": "x", "output": "y"}],
    "is_classification": False,
}
ALPACA = {"instruction": "Say hello.", "input": "<noinput>", "output": "Hello."}
SHARED = Path(__file__).parents[5] / "shared" / "data" / "seed_tasks.jsonl"


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_one_file_may_have_both_formats() -> None:
    assert read_seed_tasks(lines(SELF_INSTRUCT, ALPACA), "s.jsonl") == [
        SeedTask("t1", "Why are there tides?", "", "The moon pulls."),
        SeedTask("line-2", "Say hello.", "", "Hello."),
    ]


def test_csv_is_read_and_stored_as_json_lines() -> None:
    data = b"instruction,context,response,category\nSay hello.,<noinput>,Hello.,qa\n"
    found = read_seed_file(data, "s.csv")
    assert found.tasks == [SeedTask("row-1", "Say hello.", "", "Hello.")]
    assert read_seed_tasks(found.document, "stored") == found.tasks
    assert found.notes == ["ignored columns (records): 'category' (1)"]


def test_a_byte_order_mark_blank_lines_and_carriage_returns_are_allowed() -> None:
    data = b"\xef\xbb\xbf\n" + lines(SELF_INSTRUCT).replace(b"\n", b"\r\n") + b"  \r\n\n"
    assert [task.id for task in read_seed_tasks(data, "s.jsonl")] == ["t1"]


def test_a_number_is_a_valid_id_and_the_classification_flag_is_read() -> None:
    record = {**ALPACA, "id": 7, "is_classification": True}
    (task,) = read_seed_tasks(lines(record), "s.jsonl")
    assert (task.id, task.is_classification) == ("7", True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "s.jsonl: the file has no seed tasks"),
        (b"\n \n", "s.jsonl: the file has no seed tasks"),
        (lines(ALPACA) + b'{"instruction": ', "s.jsonl, line 2, column 17: is not JSON"),
        (b"\xff\xff", "s.jsonl, line 1: is not UTF-8 (byte 1 of the line)"),
        ("Sing.".encode("utf-16"), "s.jsonl: is UTF-16 text; write it as UTF-8"),
        (
            gzip.compress(lines(ALPACA), mtime=0)[:-9],
            "s.jsonl: is damaged or incomplete (the file ends",
        ),
        (lines(ALPACA) + b'{"a": "caf\xe9"}', "s.jsonl, line 2: is not UTF-8 (byte 11"),
        (b"[" * 100_000, "s.jsonl, line 1, column 2: is not JSON"),
        (b"1" * 5000, "s.jsonl, line 1: is not JSON"),
        (lines(ALPACA, [ALPACA]), "s.jsonl, line 2: is a list, not an object"),
        (b'[{"instruction": "x"},\n7]', "s.jsonl, item 2 (line 2): is a number, not an object"),
        (b'[{"instruction": "x"},\n{]', "s.jsonl, line 2, column 2: is not JSON"),
        (lines({"task": "x", "more": 1}), "'instruction' is missing (the columns are: more, task)"),
        (lines({**ALPACA, "response": "Hi."}), "fields 'response' and 'output' are different"),
        (lines("text"), "s.jsonl, line 1: is a text, not an object"),
        (lines({"input": "x"}), "line 1: field 'instruction' is missing"),
        (lines({"instruction": " \n"}), "line 1: field 'instruction' is blank"),
        (lines({"instruction": "\u200b\u3164"}), "line 1: field 'instruction' is blank"),
        (lines({"instruction": ["x"]}), "line 1: field 'instruction' is a list"),
        (lines({"instruction": None}), "line 1: field 'instruction' is missing"),
        (lines({**ALPACA, "input": 3}), "line 1: field 'input' is a number"),
        (lines({**ALPACA, "output": {}}), "line 1: field 'output' is an object"),
        (lines({**ALPACA, "output": "\ud83d"}), "field 'output' holds half of a surrogate pair"),
        (lines({**ALPACA, "is_classification": "no"}), "'is_classification' is a text"),
        (lines({**ALPACA, "id": ""}), "field 'id' is blank"),
        (lines({**ALPACA, "id": True}), "field 'id' is a boolean"),
        (lines({**SELF_INSTRUCT, "instances": []}), "'instances' is not a list of objects, or the"),
        (lines({**SELF_INSTRUCT, "instances": {}}), "'instances' is not a list of objects"),
        (lines({**SELF_INSTRUCT, "instances": [1]}), "'instances' is not a list of objects"),
        (
            lines({**SELF_INSTRUCT, "instances": [{"input": []}]}),
            "field 'instances[0].input' is a list",
        ),
        (
            lines(SELF_INSTRUCT, ALPACA, SELF_INSTRUCT),
            "line 3: field 'id': 't1' is also the id of line 1;",
        ),
    ],
)
def test_messages_name_the_file_the_line_and_the_field(data: bytes, message: str) -> None:
    with pytest.raises(SeedTaskError) as error:
        read_seed_tasks(data, "s.jsonl")
    assert message in str(error.value)
    assert ";" in str(error.value)  # between the error and the remedy


def test_null_is_as_good_as_absent() -> None:
    """`Dataset.to_json` writes null for each column that a row does not have."""
    nulls = {**ALPACA, "id": None, "input": None, "is_classification": None, "instances": None}
    assert read_seed_tasks(lines(nulls), "s.jsonl") == [
        SeedTask("line-1", "Say hello.", "", "Hello.")
    ]


def test_the_columns_of_dolly_are_read_and_the_others_are_named() -> None:
    dolly = {"instruction": "Sum up.", "context": "A text.", "response": "It.", "category": "x"}
    file = read_seed_file(lines(dolly), "s.jsonl")
    assert file.tasks == [SeedTask("line-1", "Sum up.", "A text.", "It.")]
    assert file.notes == ["ignored columns (records): 'category' (1)"]


def test_one_json_list_is_read_like_lines() -> None:
    data = json.dumps([SELF_INSTRUCT, ALPACA], indent=1).encode()
    assert [task.id for task in read_seed_tasks(data, "s.json")] == ["t1", "item-2"]


def test_later_stages_get_the_users_bytes_if_they_are_plain_and_else_the_tasks() -> None:
    """The digest of the document is in the keys: plain files must keep theirs."""
    plain = lines(SELF_INSTRUCT, {**ALPACA, "note": "mine"})
    assert read_seed_file(plain, "s.jsonl").document == plain
    tasks = read_seed_tasks(plain, "s.jsonl")
    for data in (
        gzip.compress(plain, mtime=0),
        json.dumps([SELF_INSTRUCT, {**ALPACA, "id": "line-2"}]).encode(),
        lines(SELF_INSTRUCT, {"prompt": "Say hello.", "completion": "Hello."}),
    ):
        document = read_seed_file(data, "s").document
        assert document not in (data, plain)
        assert read_seed_tasks(document, "d") == tasks


@given(st.binary(max_size=200))
def test_any_bytes_give_tasks_or_an_error_that_names_the_file(data: bytes) -> None:
    try:
        tasks = read_seed_tasks(data, "s.jsonl")
    except SeedTaskError as error:
        assert str(error).startswith("s.jsonl")  # noqa: PT017 - both outcomes are allowed
    else:
        assert tasks


def test_fewer_seed_tasks_than_a_prompt_needs_are_refused() -> None:
    tasks = read_seed_tasks(lines(ALPACA), "s.jsonl")
    check_enough_seed_tasks(tasks, 1, "s.jsonl")
    with pytest.raises(
        SeedTaskError, match=r"the file has 1 seed tasks, but .*examplesPerPrompt is 5"
    ):
        check_enough_seed_tasks(tasks, 5, "s.jsonl")


@pytest.mark.skipif(
    not SHARED.exists(), reason="the seed file of Self-Instruct is not on this machine"
)
def test_the_seed_file_of_self_instruct_is_valid() -> None:
    tasks = read_seed_tasks(SHARED.read_bytes(), SHARED.name)
    assert len(tasks) == 175
    assert any(task.is_classification for task in tasks)


def test_the_built_in_seed_tasks_are_many_varied_and_short() -> None:
    tasks = default_seed_tasks()
    assert len(tasks) >= 64
    assert all(task.output for task in tasks)
    assert sum(task.is_classification for task in tasks) >= 10
    assert sum(not task.input for task in tasks) >= 20
    assert sum(bool(task.input) for task in tasks) >= 20
    assert sum(word_count(f"{task.instruction} {task.input}") < 25 for task in tasks) >= 50
    assert len({task.instruction.split()[0] for task in tasks}) >= 40


def test_the_built_in_seed_tasks_pass_the_rules_and_have_no_duplicates() -> None:
    rules = rule_set("ISheep", "en")
    tasks = default_seed_tasks()
    for task in tasks:
        pair = PairRow(task.id, task.instruction, task.input, task.output, "stop", 0, 0)
        assert first_drop(rules.instruction_rules, task) is None, task
        assert first_drop(rules.pair_rules, pair) is None, task
    deduplicator = Deduplicator("0.7")
    assert not any(deduplicator.accept([task.instruction for task in tasks]))


def test_seed_tasks_that_prompts_show_whole_need_outputs() -> None:
    check_outputs(default_seed_tasks(), "s.jsonl")
    tasks = read_seed_tasks(b'{"instruction": "Sing.", "id": "song"}', "s.jsonl")
    with pytest.raises(SeedTaskError, match=r"s\.jsonl: field 'output' of the seed task song"):
        check_outputs(tasks, "s.jsonl")
