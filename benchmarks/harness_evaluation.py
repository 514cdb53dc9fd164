"""Compares an evaluation by a worker with one by lm-eval's own `simple_evaluate`.

    python benchmarks/harness_evaluation.py --model FOLDER [--items 24] [--tokens 64]
        [--file TASK=FILE ...]

Both ways use lm-eval's tasks, the same items, float32 and the same random seed. lm-eval uses its
own model (`HFLM`, batch size 1). The worker's way renders all requests, answers them with the
Transformers engine, and scores the outputs. Both models are loaded before the measurement. The
time is wall-clock time from the loaded items to the metrics. The ways run alternately, and the
faster round of each counts.

The items are sentences from docstrings (`docstring_sentences.py`): two tasks of multiple choice,
whose answers are second halves of sentences or the letters of these, and a task that generates an
answer of at most `--tokens` tokens. `--file` adds a task of lm-eval with a file of its data, for
example `--file ifeval=ifeval.jsonl`, cut to `--items` items.

The benchmark prints how many texts and metrics differ, and the largest difference of a
log-probability, and it lists the texts that differ: batches round differently, so the engine may
decide a near tie between two tokens differently. It exits with 1 if the worker needs more than 1.05
times the time of lm-eval, if a log-probability differs by more than 1e-4, or if a text differs.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from docstring_sentences import sentences

from isheep.contract.choices import PromptFormat
from isheep_worker.engines.interface import Engine
from isheep_worker.engines.registry import open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.evaluation import benchmark as benchmark_module
from isheep_worker.evaluation.benchmark import Benchmark, load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.harness import harness
from isheep_worker.evaluation.rendering import render
from isheep_worker.evaluation.requests import Output, request_id
from isheep_worker.evaluation.results import score
from isheep_worker.evaluation.running import run
from isheep_worker.evaluation.settings import BenchmarkSettings

GOAL = 1.05
LOGPROB_TOLERANCE = 1e-4
SEED = 7
MAX_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Differences:
    """How the outputs of two evaluations of the same items differ.

    `logprob` is the largest difference of a log-probability, and `texts` has the pairs of texts
    that differ: the worker's and lm-eval's. `metrics` counts the values of metrics that differ.
    """

    outputs: int
    logprob: float
    texts: tuple[tuple[str, str], ...]
    metrics: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description="Compare an evaluation with lm-eval's own.")
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    parser.add_argument("--items", type=int, default=24, help="items of each task")
    parser.add_argument("--tokens", type=int, default=64, help="longest generated text")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each way")
    parser.add_argument("--file", action="append", default=[], help="TASK=FILE: a further task")
    chosen = parser.parse_args(arguments)

    import torch  # noqa: PLC0415 (heavy)
    from lm_eval.models.huggingface import HFLM  # noqa: PLC0415
    from transformers import AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(chosen.model)
    # HFLM gives a model one token less than its limit, see `harness_model`.
    reference = HFLM(
        pretrained=str(chosen.model),
        dtype="float32",
        batch_size=1,
        device="cuda" if torch.cuda.is_available() else "cpu",
        max_length=MAX_LENGTH - 1,
    )
    engine = open_engine("Transformers", chosen.model, "float32", MAX_LENGTH, EngineRuntime())
    try:
        missed = [
            compare(loaded(task, files, chosen), tokenizer, engine, reference, chosen.rounds)
            for task, files in tasks(chosen).items()
        ]
    finally:
        engine.close()
    return int(any(missed))


def tasks(chosen: argparse.Namespace) -> Mapping[str, TaskFiles]:
    """Return the files of each task."""
    texts = sentences(6 * chosen.items)
    continued, asked = texts[: 4 * chosen.items], texts[4 * chosen.items :]
    found = {
        "arc_easy": {"ARC-Easy/test": choices(continued)},
        "mmlu_world_religions": {"world_religions/test": letters(continued)},
        "gsm8k": {"main/test": questions(asked), "main/train": questions(continued)},
    }
    files = {
        task: TaskFiles(task, {f"{path}.jsonl": lines(rows) for path, rows in parts.items()})
        for task, parts in found.items()
    }
    for task, path in (one.split("=", 1) for one in chosen.file):
        split = {"ifeval": "train"}.get(task, "test")
        files[task] = TaskFiles(task, {f"{split}.jsonl": Path(path).read_bytes()})
    return files


def choices(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return questions with four answers: which second half continues the sentence?"""
    halves = []
    for words in map(str.split, texts):
        middle = len(words) // 2
        halves.append((" ".join(words[:middle]), " ".join(words[middle:])))
    return [
        {
            "id": f"q{start}",
            "question": halves[start][0],
            "choices": {
                "text": [end for _, end in halves[start : start + 4]],
                "label": ["A", "B", "C", "D"],
            },
            "answerKey": "A",
        }
        for start in range(0, len(halves), 4)
    ]


def letters(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the same questions for a task whose answers are letters."""
    return [
        {"question": row["question"], "choices": row["choices"]["text"], "answer": 0}
        for row in choices(texts)
    ]


def questions(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return questions whose answer is generated."""
    return [
        {"question": f"{first} {second}", "answer": f"{second}\n#### {number}"}
        for number, (first, second) in enumerate(zip(texts[::2], texts[1::2], strict=False))
    ]


def lines(rows: Sequence[Any]) -> bytes:
    """Return rows as lines of JSON."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def loaded(task: str, files: TaskFiles, chosen: argparse.Namespace) -> Benchmark:
    """Load a task with its items."""
    prompt_format: PromptFormat = "Chat" if task == "ifeval" else "Raw"
    settings = BenchmarkSettings(
        task, prompt_format, num_fewshot=0, limit=chosen.items, random_seed=SEED
    )
    found = load_benchmark(settings, files)
    for one in found.tasks.values():
        if one.OUTPUT_TYPE == "generate_until":
            one.set_config("generation_kwargs", {"max_gen_toks": chosen.tokens}, update=True)
    return found


def compare(
    benchmark: Benchmark, tokenizer: Any, engine: Engine, reference: Any, rounds: int
) -> bool:
    """Print the figures of a task; return whether a goal is missed."""
    ours, theirs = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        requests = render(benchmark, tokenizer, MAX_LENGTH, chat_template=tokenizer.chat_template)
        outputs = run(engine, requests, SEED)
        scores = score(benchmark, outputs)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected = by_lm_eval(benchmark, reference)
        theirs.append(time.perf_counter() - started)
    (name,) = benchmark.tasks
    found = differences(name, outputs, scores.items, expected["samples"][name])
    ratio = min(ours) / min(theirs)
    is_missed = ratio > GOAL or found.logprob > LOGPROB_TOLERANCE or bool(found.texts)
    print(
        f"{'MISSED: ' if is_missed else ''}{name} ({benchmark.settings.prompt_format}), "
        f"{found.outputs} outputs: {min(ours):.1f} s, {ratio:.3f} times lm-eval's "
        f"{min(theirs):.1f} s (goal: at most {GOAL}); largest difference of a log-probability "
        f"{found.logprob:.1e}, different texts {len(found.texts)}, different metrics "
        f"{found.metrics}",
        flush=True,
    )
    for mine, other in found.texts:
        print(f"  worker:  {mine!r}\n  lm-eval: {other!r}")
    return is_missed


def by_lm_eval(benchmark: Benchmark, reference: Any) -> Any:
    """Evaluate the same items with lm-eval's own model."""
    from lm_eval import evaluator, simple_evaluate  # noqa: PLC0415 (heavy)

    (name,) = benchmark.tasks
    # lm-eval adds a description of the machine to its results, which takes seconds.
    with harness(), patch.object(evaluator, "add_env_info"):
        return simple_evaluate(
            model=reference,
            tasks=[benchmark.tasks[name]],
            num_fewshot=0,
            samples={name: list(benchmark.items[name])},
            apply_chat_template=benchmark.settings.prompt_format == "Chat",
            fewshot_random_seed=SEED,
            bootstrap_iters=0,
            task_manager=benchmark_module._manager(),
        )


def differences(
    task: str, outputs: Mapping[str, Output], items: Sequence[Any], samples: Sequence[Any]
) -> Differences:
    """Compare the outputs and metrics of each item."""
    by_item = {(one["doc_id"], one["filter"]): one for one in samples}
    logprob, metrics, counted = 0.0, 0, set()
    texts: dict[str, tuple[str, str]] = {}
    for item in items:
        sample = by_item[item.doc, item.filter]
        for number, ((response,),) in enumerate(zip(sample["resps"], strict=True)):
            key = request_id(task, item.doc, number, 0)
            counted.add(key)
            output = outputs[key]
            if isinstance(response, str):
                if output.text != response:
                    texts[key] = (output.text or "", response)
            else:
                wanted = response[0] if isinstance(response, tuple) else response
                logprob = max(logprob, abs(output.logprob - wanted))
        metrics += sum(not _same(value, sample[metric]) for metric, value in item.metrics.items())
    return Differences(len(counted), logprob, tuple(texts.values()), metrics)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple | list):
        return all(_same(one, other) for one, other in zip(value, wanted, strict=True))
    return math.isclose(value, wanted, abs_tol=LOGPROB_TOLERANCE, rel_tol=1e-6)


if __name__ == "__main__":
    sys.exit(main())
