"""Benchmarks in a run on a tiny model: prepare, evaluate and score, with the network off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nltk
import pytest
from tests.unit.isheep_worker.evaluation.conftest import (
    PROGRAMS,
    QUESTIONS,
    ROWS,
    few_tasks_of_lm_eval,
    lines,
)

from isheep.contract.exit_codes import ExitCode
from isheep.contract.labels import SANDBOX_VARIABLE
from isheep.contract.order import StageOrder, StageResult, Step, dump_result
from isheep.planner.walk import Walk, walk
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import RECIPES
from isheep_worker.evaluation.memorization import memorized_items
from isheep_worker.evaluation.stored import get_benchmark
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.process.worker import Worker
from isheep_worker.rows.file_names import BENCHMARK_RESULTS_FILE
from isheep_worker.rows.schema import METRICS, OUTPUTS, MetricRow
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag
from isheep_worker.sandbox.exchange import READY, folders_of, write_verdict
from isheep_worker.sandbox.process import Verdict

from .conftest import VERSIONS, order_for

BENCHMARKS = [
    {"name": "quiz", "task": "arc_easy", "limit": 4, "share": {"validation": 0.5}},
    {"name": "sums", "task": "gsm8k", "limit": 2, "numFewShot": 1, "promptFormat": "Raw"},
    {"name": "rules", "task": "ifeval", "promptFormat": "Chat", "decontaminate": "Drop"},
]


@pytest.fixture(scope="module", autouse=True)
def few_tasks() -> Iterator[None]:
    yield from few_tasks_of_lm_eval()


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network is off")

    (tmp_path / "nltk/tokenizers/punkt_tab").mkdir(parents=True)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    monkeypatch.setattr("socket.socket.connect", refuse)


def run_order(order: StageOrder) -> StageResult:
    worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())
    return worker.run(order)


def data(folder: Path, *benchmarks: dict[str, Any]) -> dict[str, Any]:
    """Write the data of benchmarks into a folder; return their spec and their sources."""
    found: dict[str, str] = {}
    for one in benchmarks:
        for path, rows in ROWS[one["task"]].items():
            file = folder / one["name"] / f"{path}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(lines(rows))
        found[one["name"]] = f"file://{folder / one['name']}"
    return {"evaluation__benchmarks": list(benchmarks), "sources": {"evaluation": found}}


def planned(driver: Any) -> Walk:
    """Return all stages of a run, as if those of the method had good results."""
    return walk(
        RECIPES[driver.spec.recipe],
        driver.spec,
        driver.prepared,
        VERSIONS,
        lambda stage, _key: driver.statistics.get(stage.id) or best_result(stage, driver.spec),
    )


def prepare(driver: Any) -> StageResult:
    result = run_order(driver.next_order())
    assert result.exit_code == 0, result
    driver.record(result)
    return result


def measure_base(driver: Any) -> dict[str, str]:
    """Run the stages on benchmarks of M(0), and none of the method; return their keys."""
    found = planned(driver)
    stages = {stage.id: stage for stage in found.stages if stage.id.startswith("i0/")}
    for id_, stage in stages.items():
        step = Step(
            id=id_,
            kind=str(stage.kind),
            version=VERSIONS[str(stage.kind)],
            key=found.keys[id_],
            iteration=stage.iteration,
            settings=stage.settings.canonical(),
            inputs={role: tuple(found.keys[i] for i in of) for role, of in stage.inputs.items()},
            items=stage.items,
        )
        result = run_order(order_for(driver.folder, driver.model, step))
        assert result.exit_code == 0, (id_, result)
    return {id_: found.keys[id_] for id_ in stages}


def score_key(keys: dict[str, str], name: str, prompt_format: str) -> str:
    (key,) = (
        key
        for id_, key in keys.items()
        if id_.startswith(f"i0/score/{name}-") and id_.endswith(prompt_format)
    )
    return key


def rows(driver: Any, key: str) -> list[MetricRow]:
    return [METRICS.decode(line) for line in driver.artifacts.read_lines(key)]


def test_benchmarks_are_prepared_answered_and_scored(make_driver, tmp_path) -> None:
    driver = make_driver(tmp_path / "store", run_order, **data(tmp_path, *BENCHMARKS))
    result = prepare(driver)
    prepared = driver.prepared
    assert {name: one.requests for name, one in prepared.evaluation.items()} == {
        "quiz": {"Raw": 32, "Chat": 32},
        "sums": {"Raw": 2},
        "rules": {"Chat": 2},
    }
    assert len(dump_result(result)) <= 2048
    alone = make_driver(tmp_path / "store", run_order)
    prepare(alone)
    # The length is in all keys, so a benchmark must not change it.
    assert prepared.max_model_length == alone.prepared.max_model_length
    assert max(one.length for one in prepared.evaluation.values()) > prepared.max_model_length
    dropped = tmp_path / "store/default/inputs" / prepared.evaluation_texts
    texts = [json.loads(line) for line in dropped.read_text().splitlines()]
    assert "Name three fruits. Write no comma." in texts
    assert not any("What is 3 and one" in text for text in texts)

    keys = measure_base(driver)
    quiz = rows(driver, score_key(keys, "arc-easy", "raw"))
    assert {one.metric for one in quiz} == {"acc", "acc_norm"}
    assert len({one.item for one in quiz}) == 8
    assert all(one.value in {0, 1} and one.cluster is None for one in quiz)
    instructions = [
        (one.item, one.cluster)
        for one in rows(driver, score_key(keys, "ifeval", "chat"))
        if one.metric == "inst_level_strict_acc"
    ]
    assert instructions == [
        ("ifeval/0/0", "ifeval/0"),
        ("ifeval/1/0", "ifeval/1"),
        ("ifeval/1/1", "ifeval/1"),
    ]
    sums = score_key(keys, "gsm8k", "raw")
    assert {one.filter for one in rows(driver, sums)} == {"strict-match", "flexible-extract"}
    results = json.loads(driver.artifacts.file_path(sums, BENCHMARK_RESULTS_FILE).read_bytes())
    assert "exact_match,strict-match" in results["results"]["gsm8k"]


def test_m0_completes_items_from_their_first_half(make_driver, tmp_path) -> None:
    long = " ".join(f"word{n}" for n in range(60))
    asked = [{**one, "question": f"{long} {n}"} for n, one in enumerate(QUESTIONS)]
    (tmp_path / "items.jsonl").write_bytes(lines([*asked[:6], *QUESTIONS[6:]]))
    quiz = {"name": "quiz", "task": "arc_easy", "promptFormat": "Raw"}
    driver = make_driver(
        tmp_path / "store",
        run_order,
        evaluation__benchmarks=[quiz],
        evaluation__memorization={"items": 10},
        sources={"evaluation": {"quiz": f"file://{tmp_path}/items.jsonl"}},
    )
    prepare(driver)
    without = make_driver(
        tmp_path / "store",
        run_order,
        evaluation__benchmarks=[quiz],
        sources={"evaluation": {"quiz": f"file://{tmp_path}/items.jsonl"}},
    )
    prepare(without)
    prepared = driver.prepared
    assert prepared.memorization is not None
    assert prepared == without.prepared.model_copy(update={"memorization": prepared.memorization})

    keys = measure_base(driver)
    (id_,) = (id_ for id_ in keys if "memorization" in id_)
    outputs = [OUTPUTS.decode(line) for line in driver.artifacts.read_lines(keys[id_])]
    assert len(outputs) == prepared.memorization.requests["Raw"]
    inputs = Inputs(driver.artifacts.store, "default")
    (found,) = memorized_items(inputs, prepared.memorization.digest, outputs).values()
    assert (found.checked + found.too_short, found.items) == (10, frozenset())
    assert found.checked in range(4, 7)  # six items have a long text, and ten of twelve are drawn


def test_pinned_benchmarks_need_no_source_and_give_the_same_result(make_driver, tmp_path) -> None:
    given = data(tmp_path, BENCHMARKS[0])
    first = make_driver(tmp_path / "store", run_order, **given)
    prepare(first)
    pinned = {"evaluation:quiz": first.prepared.evaluation["quiz"].digest}
    given["sources"] = {"evaluation": {"quiz": "file:///nowhere"}, "pinned": pinned}
    again = make_driver(tmp_path / "store", run_order, **given)
    prepare(again)
    assert again.prepared == first.prepared


def base_keys(driver: Any) -> dict[str, str]:
    """Return the keys of the stages of M(0) on benchmarks."""
    prepare(driver)
    keys = planned(driver).keys
    return {id_: key for id_, key in keys.items() if id_.startswith("i0/")}


def test_runs_with_one_prompt_format_share_the_evaluation_of_m0_with_runs_with_both(
    make_driver, tmp_path
) -> None:
    def driver(**changes: Any) -> Any:
        given = data(tmp_path, {"name": "quiz", "task": "arc_easy", "limit": 4, **changes})
        return make_driver(tmp_path / "store", run_order, **given)

    both = base_keys(driver())
    found = {one: base_keys(driver(promptFormat=one)) for one in ("Raw", "Chat")}
    assert {id_.rpartition("-")[2] for id_ in both} == {"raw", "chat"}
    for prompt_format, keys in found.items():
        assert {id_.rpartition("-")[2] for id_ in keys} == {prompt_format.lower()}
        assert keys.items() <= both.items()
    assert {**found["Raw"], **found["Chat"]} == both


def test_a_task_with_one_prompt_format_is_prepared_in_it(make_driver, tmp_path) -> None:
    given = data(tmp_path, {"name": "pages", "task": "wikitext", "promptFormat": "Raw"})
    driver = make_driver(tmp_path / "store", run_order, **given)
    prepare(driver)
    pages = driver.prepared.evaluation["pages"]
    assert pages.requests.keys() == {"Raw"}
    inputs = Inputs(driver.artifacts.store, "default")
    assert get_benchmark(inputs, pages.digest).requests.keys() == {"Raw"}


@pytest.mark.parametrize(
    ("benchmark", "content", "message"),
    [
        ({"task": "arc_esy"}, b"", "no task of this name; did you mean arc_easy"),
        ({"task": "humaneval"}, b"", "set evaluation.allowCodeExecution: true"),
        ({"numFewShot": 2}, lines(QUESTIONS), "the task also reads ARC-Easy/train"),
        ({}, b"question,answer\na,b\n", "is not JSON Lines"),
        ({}, b'{"text": "x"}', "has not the fields that the task reads"),
        ({"share": {"validation": 0.01}}, lines(QUESTIONS[:2]), "leaves no item of arc_easy"),
    ],
)
def test_bad_benchmarks_are_refused_by_prepare(
    benchmark, content, message, make_driver, tmp_path
) -> None:
    (tmp_path / "items.jsonl").write_bytes(content)
    driver = make_driver(
        tmp_path / "store",
        run_order,
        evaluation__benchmarks=[{"name": "quiz", "task": "arc_easy", **benchmark}],
        sources={"evaluation": {"quiz": f"file://{tmp_path}/items.jsonl"}},
    )
    result = run_order(driver.next_order())
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert result.message.startswith("evaluation.benchmarks[quiz]: ")
    assert message in result.message


def test_prepare_says_that_code_cannot_be_confined(make_driver, tmp_path, monkeypatch) -> None:
    """The pod of prepare has the second container, too, so the answer comes before a GPU."""
    folders = folders_of(tmp_path)
    folders.verdicts.mkdir()
    write_verdict(folders, READY, Verdict(False, "seccomp does not work"))
    monkeypatch.setenv(SANDBOX_VARIABLE, str(tmp_path))
    (tmp_path / "items.jsonl").write_bytes(lines(PROGRAMS))
    driver = make_driver(
        tmp_path / "store",
        run_order,
        evaluation__benchmarks=[{"name": "code", "task": "humaneval"}],
        evaluation__allowCodeExecution=True,
        sources={"evaluation": {"code": f"file://{tmp_path}/items.jsonl"}},
    )
    result = run_order(driver.next_order())
    assert result.exit_code == ExitCode.BAD_INPUT, result
    assert result.message.startswith(
        "evaluation.benchmarks[code]: generated code cannot be confined on this machine: "
        "seccomp does not work; use Linux 5.13"
    )


@pytest.mark.parametrize(
    ("task", "metric", "message"),
    [
        ("arc_easy", "quiz/f1", "metric f1; use one of acc, acc_norm"),
        ("arc_easy", "quiz/acc,strict", "metric acc,strict; use one of acc, acc_norm"),
        ("lambada_openai", "quiz/perplexity", "metric perplexity with a value for each item; use"),
        ("wikitext", "quiz", "metric with a value for each item, so no models can be compared on"),
    ],
)
def test_a_metric_that_the_benchmark_does_not_have_is_refused(
    make_driver, tmp_path, task, metric, message
) -> None:
    quiz = {"name": "quiz", "task": task, "role": "Validation", "limit": 2, "promptFormat": "Raw"}
    given = data(tmp_path, quiz)
    driver = make_driver(tmp_path / "store", run_order, best={"metric": metric}, **given)
    result = run_order(driver.next_order())
    assert result.exit_code == ExitCode.BAD_INPUT
    assert result.message.startswith(f"best.metric: the benchmark quiz has no {message}")
