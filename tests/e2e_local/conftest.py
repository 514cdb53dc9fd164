"""A tiny model that can talk: it writes task lists, answers and scores, in seconds on a CPU.

It is a two-layer Llama, trained here for a few hundred steps on texts of our own from a
small grammar, in the very forms in which the product asks. Sampling gives variety, so
a run on it has a real funnel: tasks that are kept and tasks that are dropped.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

VERBS = "Describe Explain Compare Name Sort Rewrite Plan Classify Invent Count Suggest Define"
ADJECTIVES = "quiet small bright old cheap heavy simple strange warm green careful wooden"
NOUNS = "rivers kitchens letters gardens bridges songs windows recipes trains markets clocks"
PLACES = (
    "for a winter evening",
    "in a coastal town",
    "before a long journey",
    "at a busy school",
    "without any money",
    "during the harvest",
    "from last summer",
    "near the station",
    "among good friends",
    "after heavy rain",
    "on a narrow road",
    "under one roof",
)
MANNERS = (
    "with two reasons",
    "as one sentence",
    "in plain words",
    "by their size",
    "like a teacher",
    "from best to worst",
    "step by step",
    "with an example",
)
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
Texts = Callable[[random.Random], list[str]]
STEPS = 110
BATCH = 4
LEARNING_RATE = 1.2e-2


def task(draw: random.Random) -> str:
    words = [draw.choice(kind.split()) for kind in (VERBS, ADJECTIVES, NOUNS)]
    return " ".join([*words, draw.choice(PLACES), draw.choice(MANNERS)]) + "."


def reply(draw: random.Random) -> str:
    words = [draw.choice(kind.split()) for kind in (ADJECTIVES, NOUNS)]
    return f"The {' '.join(words)} {draw.choice(PLACES)} are {draw.choice(ADJECTIVES.split())}."


def texts() -> Texts:
    """Return a maker of training texts: a list of tasks, pairs raw and as chat, a score."""
    from isheep_worker.templates.library import TemplateLibrary
    from isheep_worker.templates.meta_prompt import Exemplar, meta_prompt
    from isheep_worker.templates.rubric import assessment_prompt

    library = TemplateLibrary()

    def make(draw: random.Random) -> list[str]:
        exemplars = [Exemplar(task(draw), "") for _ in range(17)]
        head = meta_prompt(library, exemplars[:2])
        whole = meta_prompt(library, exemplars[:16])
        assert whole.startswith(head)
        instruction, answer = task(draw), reply(draw)
        score = draw.choice("99998642")
        chat = (
            f"<|im_start|>user\n{instruction}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>"
        )
        question = assessment_prompt(
            library,
            "Simple",
            draw.choice(("Quality", "Following")),
            instruction=instruction,
            input_text="",
            response=answer,
        )
        return [
            whole,
            f"{instruction}\n{answer}<|im_end|>",
            chat,
            f"{question}{score}||It fits.\n<|im_end|>",
        ]

    return make


def build_talker(folder: Path, make: Texts | None = None, steps: int = STEPS) -> Path:
    """Write a talker of the texts that `make` makes into `folder` and return it.

    The first text of each draw is the longest and is trained on apart from the others.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    make = make or texts()
    tokenizer = build_tokenizer([text for seed in range(40) for text in make(random.Random(seed))])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
        for step in range(steps):
            made = [make(random.Random(1000 + BATCH * step + n)) for n in range(BATCH)]
            for batch in ([one[0] for one in made], [t for one in made for t in one[1:]]):
                tokens = tokenizer(batch, return_tensors="pt", padding=True)
                labels = tokens.input_ids.masked_fill(tokens.attention_mask == 0, -100)
                model(**tokens, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tokenizer(corpus: list[str]) -> Any:
    """Return a byte-level BPE with ChatML's markers and a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1100,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHATML,
    )


def _seaweedfs() -> Any:
    """Return the fixture of the store's tests: a real SeaweedFS for the session."""
    path = Path(__file__).parents[1] / "store" / "conftest.py"
    spec = importlib.util.spec_from_file_location("isheep_store_fixtures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.weed


weed = _seaweedfs()


# pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process: what they share takes minutes to make."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def tiny_talker_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The talker, made by the first process that wants it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    talker = shared / "talker"
    with (shared / "talker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not talker.exists():
            build_talker(base / "talker-in-the-making").rename(talker)
    return talker
