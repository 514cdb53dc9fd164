"""Items that a model completes word for word: what it is asked, and what counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from isheep.store.folder import FolderStore
from isheep_worker.evaluation.memorization import (
    BenchmarkItem,
    Halves,
    Memorized,
    completes,
    halves,
    longest_text,
    memorized_items,
    put_items,
)
from isheep_worker.evaluation.requests import Generation, RenderedRequest
from isheep_worker.evaluation.stored import get_benchmark, get_requests
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.rows.schema import OutputRow

NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty twenty-one twenty-two twenty-three"
)
QUIZ, RULES = "a" * 64, "b" * 64


def encode(text: str) -> list[int]:
    """Return one token for each letter, with a token at the beginning."""
    return [0, *map(ord, text)]


def test_a_text_is_divided_at_the_first_space_after_half_of_its_tokens() -> None:
    found = halves(NUMBERS, encode)
    assert found is not None
    assert NUMBERS.startswith(found.begin + " ")
    before, _, _ = found.begin.rpartition(" ")
    assert len(encode(before)) < len(encode(NUMBERS)) / 2 <= len(encode(found.begin))
    assert found.wanted.split(" ")[0] == "fifteen"
    assert len(found.wanted.split(" ")) == 12
    long = halves(" ".join(f"w{n}" for n in range(90)), encode)
    assert long is not None
    assert len(long.wanted.split(" ")) == 13
    assert long.max_tokens < 96


@pytest.mark.parametrize(
    "text",
    [
        "",
        "word",
        "one two three four five six seven eight nine ten",
        "  " + "x" * 300,
        "一" * 200,
        # The words of the second half are in the first one, so any model can copy them.
        "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 2,
    ],
)
def test_texts_that_tell_nothing_are_not_asked(text: str) -> None:
    assert halves(text, encode) is None


def test_a_completion_counts_only_if_all_wanted_words_follow_at_once() -> None:
    wanted = "fifteen sixteen seventeen eighteen nineteen twenty twenty one"
    assert completes(" Fifteen, sixteen  seventeen\neighteen nineteen twenty, twenty-one!", wanted)
    assert completes(f" {wanted} and more", wanted)
    assert not completes(" fifteen sixteen seventeen eighteen nineteen twenty twenty", wanted)
    assert not completes(f" and {wanted}", wanted)
    assert not completes("", wanted)


def items() -> list[BenchmarkItem]:
    return [
        BenchmarkItem(RULES, "ifeval/0", NUMBERS),
        BenchmarkItem(QUIZ, "arc_easy/3", "too short"),
        BenchmarkItem(QUIZ, "arc_easy/1", NUMBERS.upper()),
        BenchmarkItem(QUIZ, "arc_easy/2", f"{NUMBERS} more"),
    ]


def output(request: RenderedRequest, text: str) -> OutputRow:
    return OutputRow(request.id, text=text)


def test_the_result_is_that_of_each_benchmark(tmp_path: Path) -> None:
    inputs = Inputs(FolderStore(tmp_path), "default")
    digest, requests = put_items(inputs, items(), encode, 4096)
    assert put_items(inputs, reversed(items()), encode, 4096) == (digest, requests)
    assert get_requests(inputs, get_benchmark(inputs, digest), "Raw") == requests
    assert len(requests) == 3
    work = requests[0].work
    assert isinstance(work, Generation)
    assert (work.temperature, work.stop, work.cut) == (0.0, (), 0)
    half = halves(NUMBERS.upper(), encode)
    assert isinstance(half, Halves)
    assert work.prompt == tuple(encode(half.begin))
    outputs = [
        output(requests[0], f" {half.wanted} …"),
        output(requests[1], " something else"),
        output(requests[2], f" {half.wanted}"),
    ]
    for some in (outputs, outputs[::-1]):
        assert memorized_items(inputs, digest, some) == {
            QUIZ: Memorized(2, 1, frozenset({"arc_easy/1"})),
            RULES: Memorized(1, 0, frozenset({"ifeval/0"})),
        }


def test_a_prompt_that_is_too_long_loses_its_beginning(tmp_path: Path) -> None:
    inputs = Inputs(FolderStore(tmp_path), "default")
    _, (request, *_) = put_items(inputs, [BenchmarkItem(QUIZ, "x/0", NUMBERS)], encode, 100)
    assert isinstance(request.work, Generation)
    assert len(request.work.prompt) + request.work.max_tokens == 100
    assert request.work.cut > 0


def test_the_text_of_an_item_is_its_longest_one() -> None:
    assert longest_text(iter(["a", "a question", "b"])) == "a question"
    assert longest_text(iter([])) == ""
