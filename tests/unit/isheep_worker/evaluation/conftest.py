"""Benchmarks of a few own items in the format of lm-eval's tasks, and a tiny model for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval
import nltk
import pytest
from lm_eval.tasks import TaskManager
from transformers import AutoTokenizer

from isheep_worker.engines.interface import Engine
from isheep_worker.engines.registry import open_engine
from isheep_worker.engines.runtime import EngineRuntime
from isheep_worker.evaluation import benchmark
from isheep_worker.evaluation.data import TaskFiles

MAX_LENGTH = 512

QUESTIONS = [
    {
        "id": f"q{number}",
        "question": f"Which of these is the number {number}?",
        "choices": {
            "text": ["the first", "a second one", "third", "the last of all four"],
            "label": ["A", "B", "C", "D"],
        },
        "answerKey": "ABCD"[number % 4],
    }
    for number in range(12)
]
SUMS = [
    {"question": f"What is {number} and one?", "answer": f"It is one more.\n#### {number + 1}"}
    for number in range(8)
]
FOLLOWED = [
    {
        "key": 1,
        "prompt": "Name three fruits. Write no comma.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    },
    {
        "key": 2,
        "prompt": "Write two words in lower case, in English.",
        "instruction_id_list": ["change_case:english_lowercase", "keywords:forbidden_words"],
        "kwargs": [{}, {"forbidden_words": ["cat"]}],
    },
]
PAGES = [
    {"page": f" = Title = \n The cat number {number} is on the mat . \n"} for number in range(3)
]
PASSAGES = [
    {"text": f"The cat is on the mat and the answer is {word}"} for word in ("here", "short")
]
PROGRAMS = [
    {
        "task_id": "Own/0",
        "prompt": 'def doubled(number: int) -> int:\n    """Return twice the number."""\n',
        "entry_point": "doubled",
        "canonical_solution": "    return 2 * number\n",
        "test": "def check(candidate):\n    assert candidate(2) == 4 and candidate(0) == 0\n",
    },
    {
        "task_id": "Own/1",
        "prompt": "from typing import List\n\n\ndef without_last(words: List[str]) -> List[str]:\n"
        '    """Return the words but the last one.\n    >>> without_last(["a", "b"])\n'
        '    ["a"]\n    """\n',
        "entry_point": "without_last",
        "canonical_solution": "    return words[:-1]\n",
        "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n"
        '    assert candidate(["a", "b"]) == ["a"]\n    assert candidate([]) == []\n',
    },
    {
        "task_id": "Own/2",
        "prompt": "import math\n\n\ndef area(radius: float) -> float:\n    # Of a circle.\n",
        "entry_point": "area",
        "canonical_solution": "    return math.pi * radius**2\n",
        "test": "def check(candidate):\n    assert abs(candidate(2.0) - 12.566) < 0.001\n",
    },
]
"""Own problems in the format of HumanEval."""
CODE_FOLDERS = ("humaneval", "humaneval_infilling", "mbpp", "cruxeval")
"""The folders of lm-eval's tasks that execute Python."""

ROWS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "arc_easy": {"ARC-Easy/test": QUESTIONS, "ARC-Easy/train": QUESTIONS[:5]},
    "gsm8k": {"main/test": SUMS, "main/train": SUMS[3:]},
    "ifeval": {"train": FOLLOWED},
    "wikitext": {"wikitext-2-raw-v1/test": PAGES},
    "humaneval": {"test": PROGRAMS},
    "lambada_openai": {"default/test": PASSAGES},
}


def lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def files_of(task: str) -> TaskFiles:
    return TaskFiles(task, {f"{path}.jsonl": lines(rows) for path, rows in ROWS[task].items()})


@pytest.fixture(scope="session", autouse=True)
def few_tasks() -> Iterator[None]:
    yield from few_tasks_of_lm_eval()


def few_tasks_of_lm_eval() -> Iterator[None]:
    """lm-eval knows only the tasks of the tests; to list all of them takes ten seconds."""
    folder = Path(lm_eval.__file__).parent / "tasks"
    names = ("arc", "gsm8k", "ifeval", "wikitext", "lambada", "mmlu/default", "gpqa", "agieval")
    names += CODE_FOLDERS
    manager = TaskManager(include_defaults=False, include_path=[folder / name for name in names])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "_manager", lambda: manager)
        yield


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network is off")

    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.fixture
def sentence_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in NLTK's search path that lm-eval takes for the data of the sentence splitter.

    The items of these tests have no rule about sentences, so nothing reads the data.
    """
    (tmp_path / "tokenizers" / "punkt_tab").mkdir(parents=True)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])


@pytest.fixture(scope="session")
def tokenizer(tiny_model_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture(scope="session")
def engine(tiny_model_dir: Path) -> Iterator[Engine]:
    engine = open_engine("Transformers", tiny_model_dir, "float32", MAX_LENGTH, EngineRuntime())
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def task_files() -> Callable[[str], TaskFiles]:
    return files_of
