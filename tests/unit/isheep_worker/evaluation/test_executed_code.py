"""Tasks that execute generated code are found, and how they do it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lm_eval.tasks
import pytest
from lm_eval.tasks._yaml_loader import load_yaml
from tests.unit.isheep_worker.evaluation.conftest import lines

from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.code_eval import code_eval_bound
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.executed_code import executes_in_sandbox, executes_itself
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.runtime.errors import BadInputError


@pytest.mark.parametrize("task", ["arc_easy", "gsm8k", "ifeval", "lambada_openai"])
def test_other_tasks_execute_nothing(
    task: str, task_files: Callable[[str], TaskFiles], sentence_data: None
) -> None:
    (loaded,) = load_benchmark(BenchmarkSettings(task), task_files(task)).tasks.values()
    assert not executes_in_sandbox(loaded)
    assert not executes_itself(loaded)


def test_a_task_of_humaneval_uses_the_sandbox(task_files: Callable[[str], TaskFiles]) -> None:
    benchmark = load_benchmark(
        BenchmarkSettings("humaneval"), task_files("humaneval"), allow_code_execution=True
    )
    (loaded,) = benchmark.tasks.values()
    assert executes_in_sandbox(loaded)
    assert not executes_itself(loaded)


def test_a_task_that_executes_code_in_its_own_way_is_refused() -> None:
    """cruxeval executes answers in a process of its own, with the rights of the worker."""
    row = {"code": "def f(x):\n    return x", "input": "1", "output": "1", "id": "s0"}
    with pytest.raises(BadInputError, match="cruxeval_input: the task executes generated code in"):
        load_benchmark(
            BenchmarkSettings("cruxeval_input"),
            TaskFiles("f", {"test.jsonl": lines([row])}),
            allow_code_execution=True,
        )


@pytest.mark.parametrize(
    ("path", "executes"),
    [
        ("longproc/countdown_0.5k.yaml", True),
        ("longproc/pseudo_to_code_2k.yaml", True),
        ("cruxeval/cruxeval_output_cot.yaml", True),
        ("humaneval/humaneval_plus.yaml", False),
        ("mbpp/mbpp_plus_instruct.yaml", False),
        ("drop/default.yaml", False),
    ],
)
def test_tasks_of_lm_eval(path: str, executes: bool) -> None:
    """countdown calls `eval` with lines of an answer, without lm-eval's mark for such tasks."""
    with code_eval_bound():
        found = load_yaml(Path(lm_eval.tasks.__file__).parent / path)
    names = ("process_results", "metric_list", "filter_list")
    config = SimpleNamespace(**{name: found.get(name) for name in names})
    assert executes_itself(SimpleNamespace(config=config)) is executes


def test_a_task_for_code_must_be_allowed(task_files: Callable[[str], TaskFiles]) -> None:
    with pytest.raises(BadInputError, match=r"set evaluation.allowCodeExecution: true"):
        load_benchmark(BenchmarkSettings("humaneval"), task_files("humaneval"))


def task_of(source: str) -> Any:
    """Return a task whose metric is the function `metric` of a module."""
    names: dict[str, Any] = {}
    exec(source, names)
    metric = {"metric": names["metric"]}
    config = SimpleNamespace(process_results=None, metric_list=[metric], filter_list=None)
    return SimpleNamespace(config=config)


@pytest.mark.parametrize(
    ("source", "executes"),
    [
        ("def metric(x): return exec(x)", True),
        ("def metric(x): return [eval(one) for one in x]", True),
        ("def metric(x):\n    def inner(): return eval(x)\n    return inner()", True),
        ("import subprocess\ndef metric(x): return subprocess.run(x)", True),
        ("from subprocess import run\ndef metric(x): return run(x)", True),
        ("def metric(x): return x.eval()", False),
        ("def eval(x): return 1\ndef metric(x): return eval(x)", False),
        ("def metric(x): return len(x)", False),
    ],
)
def test_what_counts_as_execution(source: str, executes: bool) -> None:
    assert executes_itself(task_of(source)) is executes
