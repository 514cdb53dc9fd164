"""Contamination: shared n-grams, short texts word for word, and the reader of benchmarks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.curation.decontamination import (
    MIN_CONTAINED,
    BenchmarkError,
    Decontaminator,
    read_benchmark,
)

LONG = " ".join(f"w{i}" for i in range(30))


def with_text(*texts: str, ngram: int = 13) -> Decontaminator:
    decontaminator = Decontaminator(ngram)
    decontaminator.add_benchmark("bench", texts)
    return decontaminator


def part(start: int, length: int) -> str:
    return " ".join(LONG.split()[start : start + length])


@pytest.mark.parametrize(
    ("benchmark", "item", "matches"),
    [
        (LONG, f"before {part(4, 13)} after", True),
        (LONG, f"before {part(4, 12)} after", False),
        (LONG, f"{part(0, 12)} x {part(12, 12)}", False),
        (LONG, f"Before: {part(4, 13).upper().replace(' ', ', ')}!", True),
        (LONG, part(4, 12), True),  # a short item, whole in the benchmark text
        (LONG, part(4, MIN_CONTAINED), True),
        (LONG, part(4, MIN_CONTAINED - 1), False),  # too short for a decision
        (part(4, MIN_CONTAINED), LONG, True),  # a short benchmark text, whole in the item
        (part(4, MIN_CONTAINED - 1), LONG, False),
        ("Who was it?", "who was it", True),  # equal texts of any length
        ("Who was it?", "who was it then", False),
        ("", "", False),
        ("…", "?", False),
        (LONG, "", False),
    ],
)
def test_items_match_benchmarks(benchmark: str, item: str, matches: bool) -> None:
    assert with_text(benchmark).match(item) == ("bench" if matches else None)


def test_the_first_benchmark_with_the_words_is_returned() -> None:
    decontaminator = Decontaminator()
    decontaminator.add_benchmark("one", ["something else"])
    decontaminator.add_benchmark("two", [LONG])
    decontaminator.add_benchmark("three", [LONG])
    assert decontaminator.match(part(3, 20)) == "two"


def test_a_small_ngram_lowers_the_minimum_for_short_texts() -> None:
    assert with_text("a b c d", ngram=4).match("x a b c d y") == "bench"
    assert with_text("a b c d", ngram=4).match("a b c") is None


TEXTS = st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join)


def matches_by_definition(ngram: int, benchmark: list[str], item: list[str]) -> bool:
    def holds(text: list[str], piece: list[str]) -> bool:
        size = len(piece)
        return any(text[i : i + size] == piece for i in range(len(text) - size + 1))

    if not item or not benchmark:
        return False
    bound = min(MIN_CONTAINED, ngram)
    if item == benchmark:
        return True
    if bound <= len(benchmark) < ngram and holds(item, benchmark):
        return True
    if bound <= len(item) < ngram and holds(benchmark, item):
        return True
    return any(holds(benchmark, item[i : i + ngram]) for i in range(len(item) - ngram + 1))


@given(st.integers(1, 10), st.lists(TEXTS, max_size=5), TEXTS)
def test_matches_are_those_of_the_definition(ngram: int, benchmarks: list[str], item: str) -> None:
    expected = any(matches_by_definition(ngram, b.split(), item.split()) for b in benchmarks)
    assert with_text(*benchmarks, ngram=ngram).match(item) == ("bench" if expected else None)


def test_an_ngram_of_zero_words_is_refused() -> None:
    with pytest.raises(ValueError, match="ngram is 0"):
        Decontaminator(0)


def test_every_text_of_a_jsonl_line_is_read() -> None:
    record = {"question": "Q?", "choices": ["a", {"text": "b"}], "label": 1, "none": None}
    lines = ["\ufeff" + json.dumps(record), "", '"alone"', "[]"]
    assert list(read_benchmark((line.encode() for line in lines), "b.jsonl")) == [
        "Q?",
        "a",
        "b",
        "alone",
    ]


def test_each_line_of_another_file_is_a_text() -> None:
    data = b"\xef\xbb\xbfone\r\n\n{two}\n"
    assert list(read_benchmark(data.splitlines(keepends=True), "b.txt")) == ["one", "{two}"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([b"{}", b'{"a":'], "b.jsonl, line 2: is not JSON"),
        ([b'"caf\xe9"'], "b.jsonl, line 1: is not UTF-8 (byte 5"),
        ([b"1" * 5000], "b.jsonl, line 1: is not JSON"),
    ],
)
def test_the_message_about_a_bad_line_names_it(lines: list[bytes], message: str) -> None:
    with pytest.raises(BenchmarkError) as error:
        list(read_benchmark(lines, "b.jsonl"))
    assert message in str(error.value)


def test_a_text_of_a_megabyte_is_searched_in_time() -> None:
    decontaminator = with_text(LONG, part(0, 9), "a " * 100_000)
    assert decontaminator.match("a b " * 250_000) is None
    assert decontaminator.match("w0 " * 300_000) is None
    assert decontaminator.match("b" * 1_000_000 + " " + LONG) == "bench"
