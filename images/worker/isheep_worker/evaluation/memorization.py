"""Items of benchmarks that the base model completes word for word: signs that it has seen them.

A model that was trained on an item can repeat it. The base model gets the first half of the item's
text and writes on greedily; if it writes the words that follow in the item, the item counts as
memorized. Golchin & Surdeanu (2024, "Time travel in LLMs") also give a first part of the item,
and the exact greedy continuation is the definition of Carlini et al. (2023, "Quantifying
memorization across neural language models"). The number of words is that of decontamination: 13
consecutive words, or all words of a shorter rest, if it has at least 8. Fewer words recur by
chance.

The text of an item is its longest string, usually the question or the passage, without the words
that the task adds to each prompt. An item counts as too short if its rest has fewer than 8 words,
or no space at which it can be divided, as in scripts without spaces. It also does so if the words
are in the first half already, because any model can then copy them.

A missing sign proves nothing: a model can have learned an item and not repeat it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from isheep.contract.choices import CONTAMINATION_NGRAM
from isheep_worker.curation.decontamination import MIN_CONTAINED
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.requests import Generation, RenderedRequest
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.evaluation.stored import get_benchmark, get_files, put_benchmark
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.rows.schema import OutputRow
from isheep_worker.text.tokenization import words

TASK = "memorization"
"""The name of the task in the ids of the requests and of the stage."""
_ITEMS = "items.jsonl"
_SPACE = re.compile(r"\s+")
_WRITTEN = re.compile(rf"(?:\s*\S+){{1,{CONTAMINATION_NGRAM}}}")
_SLACK, _MOST_TOKENS = 8, 128
"""Tokens beyond those of the wanted words, because a model may divide the text in another way."""

Encode = Callable[[str], Sequence[int]]
"""Returns the token ids of a raw prompt."""


@dataclass(frozen=True, slots=True)
class BenchmarkItem:
    """An item of a benchmark: the benchmark's digest, the item's id in the scores, and its text."""

    benchmark: str
    item: str
    text: str


@dataclass(frozen=True, slots=True)
class Halves:
    """An item's text in the middle: the prompt, and the plain words that are wanted after it."""

    begin: str
    wanted: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Memorized:
    """The result for a benchmark: how many items were asked, and which ones were completed."""

    checked: int
    too_short: int
    items: frozenset[str]


def halves(text: str, encode: Encode) -> Halves | None:
    """Return a text divided at the first space after half of its tokens; None if it is too short.

    Args:
        text: The text of an item.
        encode: The encoding of raw prompts.
    """
    spaces = [match.start() for match in _SPACE.finditer(text) if match.start() > 0]
    half = len(encode(text)) / 2
    low, high = 0, len(spaces)
    while low < high:
        middle = (low + high) // 2
        if len(encode(text[: spaces[middle]])) < half:
            low = middle + 1
        else:
            high = middle
    if low == len(spaces):
        return None
    begin, rest = text[: spaces[low]], text[spaces[low] :]
    wanted = words(rest)[:CONTAMINATION_NGRAM]
    written = _WRITTEN.match(rest)
    if len(wanted) < MIN_CONTAINED or written is None or _contains(words(begin), wanted):
        return None
    tokens = len(encode(written.group())) + _SLACK
    return Halves(begin, " ".join(wanted), min(tokens, _MOST_TOKENS))


def completes(completion: str, wanted: str) -> bool:
    """Return whether a completion begins with the wanted words."""
    expected = wanted.split(" ")
    return words(completion)[: len(expected)] == expected


def put_items(
    inputs: Inputs, items: Iterable[BenchmarkItem], encode: Encode, max_length: int
) -> tuple[str, list[RenderedRequest]]:
    """Write the items and the requests about them; return the digest and the requests.

    Args:
        inputs: The store's inputs.
        items: The items of all benchmarks. Their order does not matter.
        encode: The encoding of raw prompts.
        max_length: The largest length of a prompt with its completion, in tokens.
    """
    ordered = sorted(items, key=lambda one: (one.benchmark, one.item))
    found = [(one, halves(one.text, encode)) for one in ordered]
    requests = [
        _request(number, half, encode, max_length)
        for number, (_, half) in enumerate(found)
        if half is not None
    ]
    rows = [
        {"benchmark": one.benchmark, "item": one.item, "wanted": half.wanted if half else ""}
        for one, half in found
    ]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    settings = BenchmarkSettings(task=TASK)
    files = TaskFiles(TASK, {_ITEMS: content})
    return put_benchmark(inputs, settings, files, {"Raw": requests}, ()), requests


def memorized_items(
    inputs: Inputs, digest: str, outputs: Iterable[OutputRow]
) -> dict[str, Memorized]:
    """Return the result for each benchmark, by its digest.

    Args:
        inputs: The store's inputs.
        digest: The digest that `put_items` returned.
        outputs: The outputs of the base model for the requests.
    """
    content = get_files(inputs, get_benchmark(inputs, digest)).files[_ITEMS]
    rows: list[Mapping[str, str]] = [json.loads(line) for line in content.splitlines()]
    texts = {int(row.id.split("/")[1]): row.text or "" for row in outputs}
    found: dict[str, Memorized] = {}
    for benchmark in sorted({row["benchmark"] for row in rows}):
        own = [(n, row) for n, row in enumerate(rows) if row["benchmark"] == benchmark]
        asked = [(n, row) for n, row in own if row["wanted"]]
        done = (row["item"] for n, row in asked if completes(texts[n], row["wanted"]))
        found[benchmark] = Memorized(len(asked), len(own) - len(asked), frozenset(done))
    return found


def document(found: Memorized) -> dict[str, object]:
    """Return a result as JSON values."""
    return {**asdict(found), "items": sorted(found.items)}


def _request(number: int, half: Halves, encode: Encode, max_length: int) -> RenderedRequest:
    room = max(1, max_length - half.max_tokens)
    prompt = tuple(encode(half.begin))
    return RenderedRequest(
        task=TASK,
        doc=number,
        number=0,
        repeat=0,
        work=Generation(
            prompt=prompt[-room:],
            max_tokens=half.max_tokens,
            temperature=0.0,
            top_p=1.0,
            stop=(),
            stop_token_ids=(),
            cut=max(0, len(prompt) - room),
        ),
    )


def _contains(text: Sequence[str], part: Sequence[str]) -> bool:
    size = len(part)
    return any(text[at : at + size] == part for at in range(len(text) - size + 1))


def longest_text(texts: Iterator[str]) -> str:
    """Return the longest of the texts of an item, "" if it has none."""
    return max(texts, key=len, default="")
