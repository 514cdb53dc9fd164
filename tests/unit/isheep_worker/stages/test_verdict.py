"""What the verdict reads of the pairs and prompts behind D(t): log-probabilities and exemplars."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from isheep.contract.order import ContractError
from isheep.store.folder import FolderStore
from isheep_worker.evaluation.memorization import BenchmarkItem, Memorized, halves, put_items
from isheep_worker.inputs.seed_tasks import read_seed_tasks
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.rows.schema import (
    COMPLETIONS,
    EVALUATIONS,
    OUTPUTS,
    PAIRS,
    SELECTIONS,
    CompletionRow,
    EvaluationRow,
    OutputRow,
    PairRow,
    SelectionRow,
)
from isheep_worker.stages.verdict import (
    _detailed_rows,
    _exemplars,
    _memorized,
    _yardstick_texts,
)


def context(**lines: list[bytes]) -> Any:
    """Return a context whose artifacts have these lines by key."""
    return SimpleNamespace(
        settings=SimpleNamespace(generated_in=(1, 1, 2)),
        step=SimpleNamespace(id="i2/verdict", inputs={"completions": ("r1", "r2", "later")}),
        artifacts=SimpleNamespace(read_lines=lambda key: iter(lines[key])),
    )


def completion(number: int, round_number: int, *exemplars: str) -> bytes:
    return COMPLETIONS.encode(CompletionRow(round_number, number, "", "stop", 1, 1, exemplars))


def pair(id_: str, logprob: float | None) -> bytes:
    return PAIRS.encode(PairRow(id_, "Add.", "", "3", "stop", 4, 2, logprob=logprob))


def selected(id_: str) -> bytes:
    return SELECTIONS.encode(SelectionRow(id_, "Add.", "", "3", "stop", True, None, {}))


IDS = ("i1-r1-c00000-p1", "i1-r2-c00000-p4", "i2-r1-c00000-p1-k2", "i2-r9-c00007-p1")
FOUND = context(
    r1=[completion(0, 1, "a", "b")],
    r2=[completion(0, 2, "c")],
    later=[completion(0, 1, "d")],
    data=[selected(id_) for id_ in IDS],
    pairs=[pair(id_, None if n == 3 else -0.5 * n) for n, id_ in enumerate(IDS)],
    others=[pair(id_, None) for id_ in reversed(IDS)],
)


def test_each_row_has_the_exemplars_of_its_own_prompt_and_its_log_probability() -> None:
    rows = _detailed_rows(FOUND, "data", "pairs", lambda: _exemplars(FOUND))
    assert [(row.exemplars, row.tokens, row.logprob) for row in rows] == [
        (("a", "b"), 2, 0.0),
        (("c",), 2, -0.5),
        (("d",), 2, -1.0),
        ((), 2, None),
    ]


def test_the_items_that_m0_completes_are_those_of_the_benchmarks_of_the_verdict(
    tmp_path: Path,
) -> None:
    inputs = Inputs(FolderStore(tmp_path), "default")
    text = " ".join(f"word{n}" for n in range(40))
    items = [BenchmarkItem(digest, "quiz/0", text) for digest in ("aa", "bb")]
    digest, requests = put_items(inputs, items, lambda one: list(one.encode()), 4096)
    half = halves(text, lambda one: list(one.encode()))
    assert half is not None
    rows = [OutputRow(request.id, text=half.wanted) for request in requests]
    lines = {"outputs": [OUTPUTS.encode(row) for row in rows]}
    found = SimpleNamespace(
        settings=SimpleNamespace(
            memorization=digest, benchmarks=[SimpleNamespace(name="quiz", digest="bb")]
        ),
        input_key=lambda role: {"memorized": "outputs"}[role],
        inputs=inputs,
        artifacts=SimpleNamespace(read_lines=lambda key: iter(lines[key])),
    )
    assert _memorized(cast(Any, found)) == {"quiz": Memorized(1, 0, frozenset({"quiz/0"}))}
    found.settings.memorization = None
    assert _memorized(cast(Any, found)) == {}


def test_the_texts_of_the_yardstick_are_those_of_the_tasks_that_it_asks(tmp_path: Path) -> None:
    inputs = Inputs(FolderStore(tmp_path), "default")
    tasks = [
        {"instruction": f"Name bird {n}.", "input": "", "output": f"It is wren {n}."}
        for n in range(3)
    ]
    digest = inputs.put("\n".join(json.dumps(one) for one in tasks).encode())
    asked = read_seed_tasks(inputs.get(digest), "the tasks")[1]
    row = EvaluationRow(asked.id, asked.instruction, "", 1.0, 4, "A wren.", "stop", 3)
    found = SimpleNamespace(
        settings=SimpleNamespace(seed_tasks=digest),
        step=SimpleNamespace(inputs={"evaluations": ("m0", "m1")}),
        inputs=inputs,
        artifacts=SimpleNamespace(read_lines=lambda _key: iter([EVALUATIONS.encode(row)])),
    )
    assert _yardstick_texts(cast(Any, found)) == ["Name bird 1.", "It is wren 1."]
    found.settings.seed_tasks = None
    assert _yardstick_texts(cast(Any, found)) == []


def test_rows_that_are_not_those_of_the_pairs_are_refused() -> None:
    with pytest.raises(ContractError, match="is from pair"):
        list(_detailed_rows(FOUND, "data", "others", dict))
