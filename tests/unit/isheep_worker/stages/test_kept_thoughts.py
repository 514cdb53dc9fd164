"""A run whose model thinks before it answers, with its thoughts removed and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from isheep_worker.rows.schema import PAIRS, SELECTIONS
from isheep_worker.templates.prompting import resolve_prompting

from .conftest import save_model_of_kinds

WORD, SPACE, NEWLINE, OPENING, THOUGHT, CLOSING, END = range(7)


@pytest.fixture(scope="module")
def thinking_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that answers a chat prompt, which ends in a line break, with thoughts first."""
    folder = tmp_path_factory.mktemp("thinking")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.add_tokens(["<think>", "</think>"])
    ids = tokenizer.convert_tokens_to_ids
    opening, closing, space = ids("<think>"), ids("</think>"), ids("\u0120")
    thoughts, letters = ids(list("abcdefghij")), ids(list("klmnopqrst"))
    kinds = {
        SPACE: [space],
        NEWLINE: [ids("\u010a")],
        OPENING: [opening],
        THOUGHT: thoughts,
        CLOSING: [closing],
        END: [tokenizer.eos_token_id],
    }
    followers = (
        (WORD, letters, 0.4),
        (WORD, [space], 0.5),
        (WORD, [tokenizer.eos_token_id], 0.1),
        (SPACE, letters, 1.0),
        (NEWLINE, [opening], 1.0),
        (OPENING, thoughts, 1.0),
        (THOUGHT, thoughts, 0.5),
        (THOUGHT, [closing], 0.5),
        (CLOSING, letters, 1.0),
    )
    save_model_of_kinds(tiny_model_dir, folder, tokenizer, kinds, followers)
    return folder


@pytest.fixture(scope="module")
def done(make_driver, fork_server, thinking_model_dir, tmp_path_factory) -> Any:
    """Returns a function that makes a run up to its training; the runs share their instructions."""
    store = tmp_path_factory.mktemp("store")

    def run(thinking: str) -> Any:
        driver = make_driver(
            store,
            fork_server.run_order,
            model=thinking_model_dir,
            instructions__count=12,
            curation__rules="ISheep",
            responses={
                "promptFormat": "Chat",
                "sampling": {"maxTokens": 60},
                "thinking": thinking,
            },
            selection={"method": "None", "minSamples": 1},
            training__validationShare=0,
            training__numTrainEpochs=1,
        )
        driver.run(until="i1/merge")
        return driver

    return run


def rows(driver: Any, codec: Any, stage: str) -> list[Any]:
    return [codec.decode(line) for line in driver.artifacts.read_lines(driver.key(stage))]


@pytest.mark.parametrize("thinking", ["Keep", "Remove"])
def test_thoughts_are_trained_only_if_they_are_kept(thinking, done, thinking_model_dir) -> None:
    driver = done(thinking)
    pairs = rows(driver, PAIRS, "i1/respond")
    whole = [pair for pair in pairs if pair.finish_reason == "stop"]
    assert len(whole) > len(pairs) / 2
    begins = {pair.response.startswith("<think>") for pair in whole}
    assert begins == {thinking == "Keep"}
    removed = driver.statistics["i1/respond"]["thoughtsRemoved"]
    assert removed >= len(whole) if thinking == "Remove" else removed == 0

    # The rules see the answer only, so no rule drops a whole response for its thoughts.
    kept = [row for row in rows(driver, SELECTIONS, "i1/select") if row.kept]
    assert len(kept) > len(whole) / 2
    assert "drop:thinking" not in driver.statistics["i1/select"]
    assert all("</think>" in row.response for row in kept) == (thinking == "Keep")

    renderer = resolve_prompting(thinking_model_dir, thinking).renderer
    trained = [[*renderer.chat(row.instruction), *renderer.response(row.response)] for row in kept]
    assert driver.statistics["i1/train"]["samples"] == len(kept)
    assert driver.statistics["i1/train"]["tokens"] == sum(map(len, trained))
