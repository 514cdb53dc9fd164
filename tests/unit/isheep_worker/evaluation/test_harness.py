"""Tasks load nothing from the network, and draw the same random numbers for an item."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import datasets
import langdetect
import numpy as np
import pytest
from huggingface_hub import constants, hf_hub_download

from isheep_worker.evaluation import data
from isheep_worker.evaluation.benchmark import load_benchmark
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.harness import harness, own_randomness
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.runtime.errors import BadInputError


def test_everything_is_as_before_after_the_body() -> None:
    before = datasets.load_dataset, constants.HF_HUB_OFFLINE
    with harness(dict):
        assert datasets.load_dataset is dict
        assert constants.HF_HUB_OFFLINE
    assert (datasets.load_dataset, constants.HF_HUB_OFFLINE) == before


def test_what_a_task_loads_from_the_hub_is_refused(
    monkeypatch: pytest.MonkeyPatch, task_files: Callable[[str], TaskFiles]
) -> None:
    def load_more(*_: Any) -> None:
        hf_hub_download("some/metric", "metric.py")

    monkeypatch.setattr(data.TaskData, "rows_of", load_more)
    with pytest.raises(BadInputError, match="arc_easy: the task loads more than its data set"):
        load_benchmark(BenchmarkSettings("arc_easy"), task_files("arc_easy"))


def test_an_answer_that_nests_too_deep_is_no_json() -> None:
    with harness():
        assert json.loads('{"a": [1]}') == {"a": [1]}
        with pytest.raises(ValueError, match="the nesting is too deep"):
            json.loads("[" * 100_000)
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000)


def test_what_tasks_log_and_print_is_in_no_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = logging.getLogger("isheep_worker.evaluation.x")
    for inside in (True, False):
        with harness() if inside else nullcontext():
            logging.getLogger("lm_eval.tasks.x").error("generated text")
            logging.getLogger().error("generated text")
            print("generated text")  # noqa: T201 (what a task does)
            ours.warning("our line")
        if inside:
            assert (caplog.messages, capsys.readouterr().out) == (["our line"], "")
    assert caplog.messages == ["our line", "generated text", "generated text", "our line"]
    assert capsys.readouterr().out == "generated text\n"


def test_random_numbers_depend_on_the_seed_only() -> None:
    def numbers(seed: int) -> tuple[float, float]:
        with own_randomness(seed):
            return random.random(), float(np.random.random())

    first = numbers(2**62)
    random.seed(1)
    state = random.getstate()
    assert numbers(2**62) == first != numbers(1)
    assert random.getstate() == state


def test_the_language_of_a_text_is_always_the_same() -> None:
    text = "No si 12 la mat hat"
    found = set()
    for seed in range(12):
        with own_randomness(seed):
            found.add(langdetect.detect(text))
    assert len(found) == 1
