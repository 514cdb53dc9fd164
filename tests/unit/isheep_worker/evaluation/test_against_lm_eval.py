"""Our engine gives the texts, log-probabilities and metrics of lm-eval's own evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_eval import evaluator, simple_evaluate
from lm_eval.models.huggingface import HFLM
from tests.unit.isheep_worker.evaluation.conftest import MAX_LENGTH

from isheep_worker.engines.interface import Engine
from isheep_worker.evaluation import benchmark as benchmark_module
from isheep_worker.evaluation.benchmark import Benchmark, load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.harness import harness
from isheep_worker.evaluation.harness_model import HarnessModel
from isheep_worker.evaluation.rendering import render
from isheep_worker.evaluation.requests import Output, request_id
from isheep_worker.evaluation.results import Scores, score
from isheep_worker.evaluation.running import answering, run
from isheep_worker.evaluation.settings import BenchmarkSettings

SEED = 7


@pytest.fixture(autouse=True)
def no_description_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """lm-eval adds one to its results, which takes seconds."""
    monkeypatch.setattr(evaluator, "add_env_info", lambda results: None)


@pytest.fixture(scope="module")
def reference(tiny_model_dir: Path) -> Any:
    """lm-eval's own model; its inputs have one token more, see `harness_model`."""
    return HFLM(
        pretrained=str(tiny_model_dir),
        dtype="float32",
        batch_size=1,
        device="cpu",
        max_length=MAX_LENGTH - 1,
    )


def evaluated(
    benchmark: Benchmark, tokenizer: Any, engine: Engine
) -> tuple[dict[str, Output], Scores]:
    for task in benchmark.tasks.values():
        if task.OUTPUT_TYPE == "generate_until":
            task.set_config("generation_kwargs", {"max_gen_toks": 16}, update=True)
    requests = render(benchmark, tokenizer, MAX_LENGTH, chat_template=tokenizer.chat_template)
    outputs = run(engine, requests, SEED)
    return outputs, score(benchmark, outputs)


@pytest.mark.parametrize(
    "settings",
    [
        BenchmarkSettings("arc_easy", random_seed=SEED),
        BenchmarkSettings("arc_easy", "Chat", num_fewshot=2, limit=4, random_seed=SEED),
        BenchmarkSettings("gsm8k", num_fewshot=1, random_seed=SEED),
        BenchmarkSettings("gsm8k", "Chat", num_fewshot=2, limit=3, random_seed=SEED),
        BenchmarkSettings("lambada_openai", random_seed=SEED),
        BenchmarkSettings("wikitext", random_seed=SEED),
        BenchmarkSettings("ifeval", "Chat", random_seed=SEED),
    ],
    ids=lambda settings: f"{settings.task}-{settings.prompt_format}",
)
def test_items_and_metrics_are_those_of_lm_eval(
    settings: BenchmarkSettings,
    reference: Any,
    tokenizer: Any,
    engine: Engine,
    task_files: Callable[[str], TaskFiles],
    sentence_data: None,
) -> None:
    benchmark = load_benchmark(settings, task_files(settings.task))
    outputs, scores = evaluated(benchmark, tokenizer, engine)
    name = settings.task
    with harness():
        expected = simple_evaluate(
            model=reference,
            tasks=[benchmark.tasks[name]],
            num_fewshot=settings.num_fewshot,
            samples={name: list(benchmark.items[name])},
            apply_chat_template=settings.prompt_format == "Chat",
            fewshot_random_seed=SEED,
            bootstrap_iters=0,
            task_manager=benchmark_module._manager(),
        )
    samples = {(one["doc_id"], one["filter"]): one for one in expected["samples"][name]}
    assert {(item.doc, item.filter) for item in scores.items} == set(samples)
    for item in scores.items:
        sample = samples[item.doc, item.filter]
        for number, ((response,),) in enumerate(zip(sample["resps"], strict=True)):
            assert_output(outputs[request_id(name, item.doc, number, 0)], response)
        for metric, value in item.metrics.items():
            assert_value(value, sample[metric])
    found, wanted = scores.results["results"][name], expected["results"][name]
    assert set(found) == set(wanted)
    for metric, value in found.items():
        assert value == (
            wanted[metric] if isinstance(value, str) else pytest.approx(wanted[metric])
        )


def assert_output(output: Output, response: Any) -> None:
    if isinstance(response, str):
        assert output.text == response
    elif isinstance(response, tuple):
        assert output.logprob == pytest.approx(response[0], abs=1e-4)
        assert output.is_greedy == response[1]
    else:
        assert output.logprob == pytest.approx(response, abs=1e-4, rel=1e-6)


def assert_value(value: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple | list):
        assert list(value) == pytest.approx(list(wanted), abs=1e-4, rel=1e-6)
    else:
        assert value == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("name", ["arc_easy", "gsm8k", "wikitext"])
def test_lm_eval_itself_evaluates_an_engine(
    name: str, tokenizer: Any, engine: Engine, task_files: Callable[[str], TaskFiles]
) -> None:
    benchmark = load_benchmark(
        BenchmarkSettings(name, limit=3, random_seed=SEED, num_fewshot=0), task_files(name)
    )
    _, scores = evaluated(benchmark, tokenizer, engine)
    with harness():
        found = simple_evaluate(
            model=HarnessModel(tokenizer, MAX_LENGTH, answering(engine, SEED)),
            tasks=[benchmark.tasks[name]],
            samples={name: list(benchmark.items[name])},
            bootstrap_iters=0,
            task_manager=benchmark_module._manager(),
        )
    assert found["results"][name] == scores.results["results"][name]
