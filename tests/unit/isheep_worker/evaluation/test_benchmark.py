"""Benchmarks are loaded by name, or are refused with a message that has place and remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import nltk
import pytest
from tests.unit.isheep_worker.evaluation.conftest import QUESTIONS, files_of, lines

from isheep_worker.evaluation import benchmark as benchmark_module
from isheep_worker.evaluation.benchmark import Benchmark, load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.drawing import Share
from isheep_worker.evaluation.rendering import build
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.runtime.errors import BadInputError

SUMS_OF_AGIEVAL = [
    {"query": f"{number} + 1?", "choices": ["a", "b"], "gold": [0]} for number in range(9)
]
ONE_FILE = TaskFiles("items.jsonl", {"items.jsonl": lines(QUESTIONS)}, is_folder=False)


def test_a_benchmark_has_its_items_and_examples() -> None:
    settings = BenchmarkSettings("arc_easy", num_fewshot=3, limit=5)
    benchmark = load_benchmark(settings, files_of("arc_easy"))
    task = benchmark.tasks["arc_easy"]
    assert (task.config.num_fewshot, len(task.sampler.df)) == (3, 5)
    assert len(benchmark.items["arc_easy"]) == 5
    assert [doc["id"] for _, doc in benchmark.docs("arc_easy")] == [
        f"q{number}" for number in benchmark.items["arc_easy"]
    ]


def test_the_default_number_of_examples_is_the_tasks_own() -> None:
    assert (
        load_benchmark(BenchmarkSettings("gsm8k"), files_of("gsm8k"))
        .tasks["gsm8k"]
        .config.num_fewshot
        == 5
    )
    assert (
        load_benchmark(BenchmarkSettings("arc_easy"), ONE_FILE).tasks["arc_easy"].config.num_fewshot
        == 0
    )


def test_a_task_that_shuffles_answers_has_the_same_items_in_each_step() -> None:
    rows = [
        {
            "Question": f"Number {number}?",
            "Correct Answer": "right",
            **{f"Incorrect Answer {wrong}": f"wrong {wrong}" for wrong in (1, 2, 3)},
        }
        for number in range(20)
    ]
    files = TaskFiles("q", {"q.jsonl": lines(rows)}, is_folder=False)

    def answers(benchmark: Benchmark) -> list[str]:
        return [doc["answer"] for _, doc in benchmark.docs("gpqa_main_zeroshot")]

    settings = BenchmarkSettings("gpqa_main_zeroshot")
    benchmark = load_benchmark(settings, files)
    first = answers(benchmark)
    assert len(set(first)) == 4
    build(benchmark, "gpqa_main_zeroshot", None)
    docs = [instance.doc["answer"] for instance in benchmark.tasks[settings.task].instances[::4]]
    assert docs == first == answers(benchmark) == answers(load_benchmark(settings, files))
    other = load_benchmark(BenchmarkSettings(settings.task, random_seed=1), files)
    assert answers(other) != first


def test_a_group_reads_the_files_of_its_subsets() -> None:
    rows = [
        {"question": "One?", "subject": "s", "choices": ["a", "b", "c", "d"], "answer": number % 4}
        for number in range(6)
    ]
    names = benchmark_module._manager().task_index["mmlu_stem_tasks"].tags
    subsets = sorted(name.removeprefix("mmlu_") for name in names)
    files = {
        f"{subset}/{split}.jsonl": lines(rows) for subset in subsets for split in ("test", "dev")
    }
    benchmark = load_benchmark(BenchmarkSettings("mmlu_stem", num_fewshot=1), TaskFiles("f", files))
    assert len(benchmark.tasks) == len(subsets) > 10
    assert set(benchmark.groups) == {"mmlu_stem"}
    del files[f"{subsets[3]}/test.jsonl"]
    with pytest.raises(BadInputError, match=f"f has no file {subsets[3]}/test.jsonl"):
        load_benchmark(BenchmarkSettings("mmlu_stem"), TaskFiles("f", files))


def test_examples_from_the_evaluated_split_do_not_count_the_item_itself() -> None:
    rows = [
        {"Question": f"Number {number}?", "Correct Answer": "right"}
        | {f"Incorrect Answer {wrong}": f"wrong {wrong}" for wrong in (1, 2, 3)}
        for number in range(6)
    ]
    files = TaskFiles("q", {"gpqa_main/train.jsonl": lines(rows)})
    name = "gpqa_main_n_shot"
    build(load_benchmark(BenchmarkSettings(name, num_fewshot=5), files), name, None)
    message = "need 6 examples: there are 5, without the item itself; add them, or set numFewShot"
    with pytest.raises(BadInputError, match=message):
        load_benchmark(BenchmarkSettings(name, num_fewshot=6), files)


@pytest.mark.parametrize(
    ("settings", "files", "message"),
    [
        (
            BenchmarkSettings("arc_esy"),
            ONE_FILE,
            "benchmark arc_esy: .* no task of this name; did you mean arc_easy",
        ),
        (BenchmarkSettings("/etc/x.yaml"), ONE_FILE, "no task of this name"),
        (BenchmarkSettings("humaneval"), ONE_FILE, "humaneval: the task executes generated code"),
        (BenchmarkSettings("ai2_arc"), ONE_FILE, "items.jsonl is one file, and ai2_arc is not one"),
        (
            BenchmarkSettings("arc_easy", num_fewshot=2),
            ONE_FILE,
            "need 2 examples: items.jsonl is one file, and the task also reads ARC-Easy/train",
        ),
        (
            BenchmarkSettings("arc_easy"),
            TaskFiles("f", {"test.jsonl": lines(QUESTIONS)}),
            r"f has no file ARC-Easy/\w+.jsonl or .*parquet \(it has test.jsonl\)",
        ),
        (
            BenchmarkSettings("arc_easy", num_fewshot=6),
            files_of("arc_easy"),
            "need 6 examples: there are 5",
        ),
        (
            BenchmarkSettings("arc_easy"),
            TaskFiles("items.jsonl", {"items.jsonl": b'{"text": "x"}'}, is_folder=False),
            "items.jsonl has not the fields that the task reads",
        ),
        (
            BenchmarkSettings("arc_easy"),
            TaskFiles("x.csv", {"x.csv": b"question,answer\na,b\n"}, is_folder=False),
            "benchmark arc_easy: x.csv: is not JSON Lines",
        ),
        (BenchmarkSettings("arc_easy", limit=0), ONE_FILE, "leaves no item of arc_easy"),
        (BenchmarkSettings("arc_easy", shares=(Share(end=0.0),)), ONE_FILE, "leaves no item"),
        (
            BenchmarkSettings("wikitext", num_fewshot=2),
            files_of("wikitext"),
            "shows no examples, so numFewShot has no effect",
        ),
        (
            BenchmarkSettings("wikitext", "Chat"),
            files_of("wikitext"),
            "no prompt for a chat; set promptFormat: Raw",
        ),
        (
            BenchmarkSettings("agieval_aqua_rat", num_fewshot=2),
            TaskFiles("f", {"test.jsonl": lines(SUMS_OF_AGIEVAL)}),
            "would show some items with their own answers; set numFewShot: 0",
        ),
        (BenchmarkSettings("arc_easy"), None, "data set of the hub cannot be read .* storageUri"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    settings: BenchmarkSettings,
    files: TaskFiles | None,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("datasets.load_dataset", offline)
    with pytest.raises(BadInputError, match=message) as caught:
        load_benchmark(settings, files)
    assert settings.task in str(caught.value)


def offline(*_: object, **__: object) -> None:
    raise ConnectionError("a URL with a secret")


def test_examples_of_a_task_that_shows_none_are_refused(
    sentence_data: None, task_files: Callable[[str], TaskFiles]
) -> None:
    with pytest.raises(BadInputError, match="ifeval: the task shows no examples"):
        load_benchmark(BenchmarkSettings("ifeval", num_fewshot=1), task_files("ifeval"))


def test_missing_data_of_nltk_is_not_downloaded(
    monkeypatch: pytest.MonkeyPatch, task_files: Callable[[str], TaskFiles], tmp_path: Path
) -> None:
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    for name in [name for name in sys.modules if name.startswith("lm_eval.tasks.ifeval")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(BadInputError, match=r"ifeval: .* NLTK's data punkt_tab.*/nltk_data"):
        load_benchmark(BenchmarkSettings("ifeval"), task_files("ifeval"))
