"""Fixtures for the worker's tests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.order import RunRef, Sources, StageOrder, Step
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.recipes.stage_kinds import STAGE_VERSIONS

CURRENT_VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


@pytest.fixture
def reserve_port() -> Iterator[Callable[[], int]]:
    """Returns a function that reserves a TCP port of 127.0.0.1 until the test has ended.

    A port that is only looked up may be used by another process before the test's server opens it.
    A bound socket keeps it. Only a server with SO_REUSEADDR, which TCP servers usually set, can
    open it.
    """
    with ExitStack() as stack:

        def reserve() -> int:
            reserved = stack.enter_context(socket.socket())
            reserved.bind(("127.0.0.1", 0))
            # Set after `bind`, so that `bind` does not choose another reserved port.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return int(reserved.getsockname()[1])

        yield reserve


@pytest.fixture
def make_order(tmp_path: Path) -> Callable[..., StageOrder]:
    """Returns a function that makes an order of one stage, with a folder store."""

    def make(
        kind: str = "select", version: int | None = None, store: Path = tmp_path
    ) -> StageOrder:
        step = Step(
            id="i1/x",
            kind=kind,
            version=version or CURRENT_VERSIONS.get(kind, 1),
            key="0" * 64,
            iteration=1,
            settings={},
        )
        return StageOrder(
            run=RunRef(namespace="default", name="demo", uid="u"),
            attempt=2,
            store=StoreSpec(folder=FolderStoreSpec(path=str(store))),
            sources=Sources(model="/model"),
            steps=(step,),
        )

    return make


def make_adapter(base: Path, folder: Path, *, seed: int, rank: int = 4) -> Path:
    """Write an adapter with large random values for a base model, and return its folder."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from isheep_worker.training.adapter import save_adapter

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
        lora = LoraConfig(
            r=rank, lora_alpha=8, target_modules="all-linear", init_lora_weights=False
        )
        save_adapter(get_peft_model(model, lora), folder)
    return folder


@pytest.fixture(scope="session")
def adapter_of() -> Callable[..., Path]:
    return make_adapter


@pytest.fixture(scope="session")
def architecture_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns a function that writes a tiny model of an architecture, once for all tests."""
    from tests.unit.isheep_worker.tiny_architectures import write_model

    @cache
    def folder(name: str) -> Path:
        return write_model(name, tmp_path_factory.mktemp(name))

    return folder


@pytest.fixture(scope="session")
def merged_of() -> Callable[[Path, Path, Path], Path]:
    """Returns a function that merges an adapter into its base, and returns the output folder."""

    def merge_into(adapter: Path, base: Path, out: Path) -> Path:
        from isheep_worker.training.merge import merge

        merge(adapter, base, out, chat_template="{{ messages }}", stop_token_ids=(2,))
        return out

    return merge_into


@pytest.fixture
def joining() -> Callable[..., Any]:
    """Returns a function that makes a tokenizer with one token for each given text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    def make(*texts: str) -> PreTrainedTokenizerFast:
        tokenizer = Tokenizer(models.BPE())
        # Without the regular expression, white space can be in one token with the next word.
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=1000,
            special_tokens=["</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator([text for text in texts for _ in range(9)], trainer)
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")

    return make
