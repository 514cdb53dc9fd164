"""lm-eval's tasks for code run their programs in our sandbox, with the metrics of `evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks._yaml_loader import load_yaml
from tests.unit.isheep_worker.evaluation.conftest import PROGRAMS

from isheep_worker.evaluation import benchmark as benchmark_module
from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.code_eval import CODE_EVAL, code_eval_bound
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.requests import Output, request_id
from isheep_worker.evaluation.results import score
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.sandbox.limits import Limits
from isheep_worker.sandbox.process import Verdict


class Runner:
    """Takes the place of a sandbox: a program passes if it contains `good`."""

    def __init__(self) -> None:
        self.programs: list[str] = []
        self.limits: list[Limits] = []

    def __call__(self, programs: Sequence[str], limits: Limits) -> list[Verdict]:
        self.programs += programs
        self.limits.append(limits)
        return [
            Verdict(True, "passed") if "good" in one else Verdict(False, "failed: E")
            for one in programs
        ]


@pytest.fixture
def runner() -> Iterator[Runner]:
    found = Runner()
    with CODE_EVAL.running(found):
        yield found


def test_a_program_is_an_answer_and_its_tests(runner: Runner) -> None:
    shares, results = CODE_EVAL.compute(
        references=["test 1", "test 2"], predictions=[["good"], ["bad"]], k=[1], timeout=2.5
    )
    assert runner.programs == ["good\ntest 1", "bad\ntest 2"]
    assert runner.limits == [Limits(3, 10.0)]
    assert shares == {"pass@1": 0.5}
    row = {"task_id": 1, "passed": False, "result": "failed: E", "completion_id": 0}
    assert results[1] == [(0, row)]


@pytest.mark.parametrize("passed", range(6))
@pytest.mark.parametrize("k", range(1, 6))
def test_pass_at_k_is_the_share_of_all_draws(runner: Runner, passed: int, k: int) -> None:
    answers = ["good"] * passed + ["bad"] * (5 - passed)
    shares, _ = CODE_EVAL.compute(references=["t"], predictions=[answers], k=[k])
    draws = [any(one == "good" for one in draw) for draw in combinations(answers, k)]
    assert shares[f"pass@{k}"] == pytest.approx(sum(draws) / len(draws))


def test_more_draws_than_answers_have_no_share(runner: Runner) -> None:
    predictions = [["good", "bad"], ["good"]]
    shares, results = CODE_EVAL.compute(references=["a", "b"], predictions=predictions)
    assert shares == {"pass@1": 0.75}
    assert [len(results[number]) for number in (0, 1)] == [2, 1]
    assert CODE_EVAL.compute(references=[], predictions=[])[0] == {}


def test_without_a_sandbox_nothing_runs() -> None:
    with pytest.raises(BadInputError, match="there is no sandbox"):
        CODE_EVAL.compute(references=["a"], predictions=[["b"]])


def test_another_metric_is_that_of_evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evaluate.py").write_text("def load(*names, **options): return names, options")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evaluate", raising=False)
    with code_eval_bound():
        import evaluate

        assert evaluate.load("code_eval") is CODE_EVAL
        assert evaluate.load("rouge", module_type="metric") == (
            ("rouge",),
            {"module_type": "metric"},
        )
        assert evaluate is sys.modules["evaluate"]
    assert "evaluate" not in sys.modules


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("humaneval", "compute_"),
        ("humaneval_instruct", "compute_"),
        ("humaneval_single_line_infilling", "compute_"),
        ("mbpp", "pass_at_k"),
        ("mbpp_instruct", "pass_at_k"),
    ],
)
def test_the_tasks_of_lm_eval_get_our_metric(task: str, name: str) -> None:
    """If this fails, lm-eval loads its metric in another way: it could execute code itself."""
    path = benchmark_module._manager().task_index[task].yaml_path
    with code_eval_bound():
        config = load_yaml(path)
    assert config["metric_list"][0]["metric"].__globals__[name] is CODE_EVAL
    assert config["unsafe_code"] is True


def humaneval(task: str, texts: Sequence[str], files: TaskFiles) -> dict[str, Any]:
    """Return lm-eval's results for these answers."""
    benchmark = load_benchmark(BenchmarkSettings(task), files, allow_code_execution=True)
    assert benchmark.executes_code
    outputs = {
        request_id(task, number, 0, 0): Output(text=text) for number, text in enumerate(texts)
    }
    scores = score(benchmark, outputs)
    results: dict[str, Any] = dict(scores.results["results"][task])
    return {**results, "items": [one.metrics["pass@1"] for one in scores.items]}


def test_humaneval_runs_in_the_sandbox(task_files: Callable[[str], TaskFiles]) -> None:
    texts = [row["canonical_solution"] for row in PROGRAMS]
    right = humaneval("humaneval", texts, task_files("humaneval"))
    assert right["pass@1,create_test"] == 1.0
    assert right["items"] == [1.0, 1.0, 1.0]
    wrong = ["    return 2 * numbers\n", "    import os\n    os._exit(0)\n", texts[2]]
    assert humaneval("humaneval", wrong, task_files("humaneval"))["items"] == [0.0, 0.0, 1.0]


def test_humaneval_of_chat_models_ends_at_the_block(
    task_files: Callable[[str], TaskFiles],
) -> None:
    texts = [f"{row['canonical_solution']}```\nThat is all." for row in PROGRAMS]
    found = humaneval("humaneval_instruct", texts, task_files("humaneval"))
    assert found["items"] == [1.0, 1.0, 1.0]


def test_a_task_is_loaded_without_a_program_run(
    task_files: Callable[[str], TaskFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """lm-eval tries the metric when it imports a task, in pods without a sandbox."""
    for name in [one for one in sys.modules if one.startswith("lm_eval.tasks.humaneval")]:
        monkeypatch.delitem(sys.modules, name)
    runner = Runner()
    with CODE_EVAL.running(runner):
        load_benchmark(
            BenchmarkSettings("humaneval"), task_files("humaneval"), allow_code_execution=True
        )
    assert "lm_eval.tasks.humaneval.utils" in sys.modules
    assert runner.programs == []
