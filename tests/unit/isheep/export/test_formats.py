"""The formats of D(t), and the file types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pyarrow import parquet

from isheep.contract.choices import ExportFileType, ExportFormat
from isheep.export.registry import FORMATS
from isheep.export.rows import Example, ExportError, Row
from isheep.export.writers import WRITERS


def row(number: int = 0, **changes: Any) -> Row:
    fields = {
        "id": f"i1-r1-c00000-p{number}",
        "instruction": "Name two rivers.",
        "input": "Asia",
        "response": "Mekong",
        "finish_reason": "stop",
        "kept": True,
        "scores": {"Quality": 9.0},
    }
    return Row(**{**fields, **changes})


def examples(form: str, *rows: Row) -> list[Example]:
    return list(FORMATS[form](lambda: iter(rows)))  # type: ignore[index]


def columns(form: str, *rows: Row) -> list[dict[str, Any]]:
    return [example.columns for example in examples(form, *rows)]


USER = {"role": "user", "content": "Name two rivers.\n\nAsia"}
ASSISTANT = {"role": "assistant", "content": "Mekong"}
APART = {"instruction": "Name two rivers.", "input": "Asia"}
DETAILS = {"finish_reason": "stop", "scores": {"Quality": 9.0}}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("messages", {"messages": [USER, ASSISTANT], **APART, **DETAILS}),
        ("prompt-completion", {"prompt": [USER], "completion": [ASSISTANT], **APART, **DETAILS}),
        ("alpaca", {**APART, "output": "Mekong", **DETAILS}),
        (
            "text",
            {
                "prompt": "Name two rivers.\nAsia",
                "completion": "Mekong",
                "scores": {"Quality": 9.0},
            },
        ),
    ],
)
def test_each_kept_row_is_a_line(form: str, expected: dict[str, Any]) -> None:
    assert columns(form, row(), row(1, kept=False)) == [expected]
    assert examples(form, row(2))[0].ids == {"id": "i1-r1-c00000-p2"}


def test_a_task_without_input_is_the_whole_message() -> None:
    (found,) = columns("messages", row(input=""))
    assert found["messages"][0]["content"] == "Name two rivers."


def test_the_first_format_is_the_one_that_trainers_render() -> None:
    assert tuple(FORMATS) == get_args(ExportFormat)
    assert next(iter(FORMATS)) == "prompt-completion"
    assert tuple(WRITERS) == get_args(ExportFileType)


def test_a_preference_is_the_best_and_the_worst_response_to_one_task() -> None:
    good = {"Quality": 9.0, "Following": 8.0}
    bad = {"Quality": 3.0, "Following": 8.0}
    (found,) = examples(
        "preference",
        row(0, response="good", scores=good),
        row(1, response="bad", scores=bad, kept=False, finish_reason="length"),
        row(2, response="middle", scores={"Quality": 5.0, "Following": 8.0}),
        row(3, input="Europe", response="alone", scores=bad),
    )
    assert found.ids == {"id": "i1-r1-c00000-p0", "rejected": "i1-r1-c00000-p1"}
    assert found.columns == {
        "prompt": [USER],
        "chosen": [{"role": "assistant", "content": "good"}],
        "rejected": [{"role": "assistant", "content": "bad"}],
        **APART,
        "finish_reason": "stop",
        "finish_reason_rejected": "length",
        "scores": good,
        "scores_rejected": bad,
    }


@pytest.mark.parametrize(
    "rows",
    [
        # One response for each task, as every recipe writes them.
        [row(0), row(1, input="Europe")],
        # Equal scores, the same text, or levels that disagree.
        [row(0), row(1, response="Indus")],
        [row(0), row(1, scores={"Quality": 1.0})],
        [
            row(0, response="a", scores={"Quality": 9.0, "Following": 1.0}),
            row(1, response="b", scores={"Quality": 1.0, "Following": 2.0}),
        ],
        # Perplexities do not say which response is better, and a dropped response has no score.
        [row(n, response=str(n), scores={"PairPerplexity": float(n)}) for n in range(2)],
        [row(0), row(1, response="b", scores={}, kept=False)],
        [],
    ],
)
def test_preferences_are_never_invented(rows: list[Row]) -> None:
    with pytest.raises(ExportError, match="has no two responses with different scores"):
        examples("preference", *rows)


def lines() -> Iterator[dict[str, Any]]:
    yield {"a": "é\u2028", "scores": {}, "provenance": {"model": None, "iteration": 1}}
    yield {"a": "b", "scores": {"Quality": 9.0}, "provenance": {"model": "m", "iteration": 1}}


def test_json_lines_and_a_json_list_have_the_same_rows(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert WRITERS["jsonl"](path, lines) == 2
    text = path.read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.removesuffix("\n").split("\n")] == list(lines())
    assert WRITERS["json"](path, lines) == 2
    assert json.loads(path.read_text(encoding="utf-8")) == list(lines())
    assert WRITERS["json"](path, lambda: iter(())) == 0
    assert json.loads(path.read_text(encoding="utf-8")) == []


def test_parquet_has_one_schema_for_rows_with_and_without_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isheep.export.writers._ROW_GROUP", 1)
    path = tmp_path / "f.parquet"
    assert WRITERS["parquet"](path, lines) == 2
    first, second = parquet.read_table(path).to_pylist()
    assert second == list(lines())[1]
    assert first == {**next(lines()), "scores": {"Quality": None}}


def test_parquet_leaves_out_a_column_that_it_cannot_store(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    WRITERS["parquet"](path, lambda: iter([{"a": 1, "scores": {}}]))
    assert parquet.read_table(path).to_pylist() == [{"a": 1}]
    with pytest.raises(ExportError, match="there is no row to write"):
        WRITERS["parquet"](path, lambda: iter(()))
