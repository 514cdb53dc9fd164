"""A tiny chat model: it writes task lists, responses and scores, in seconds on a CPU.

It is a two-layer Llama that is trained here for about a hundred steps. The training texts come from
a small grammar and have the form of the product's prompts. Sampling gives variety, so the rules of
a run with this model accept some tasks and drop others.

The training takes a minute and gives the same model for the same texts, code and packages, so the
model is cached in `$XDG_CACHE_HOME/isheep/tiny-chat-models`.
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "requirements" / "worker-cpu.txt"
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
    """Return a function that makes training texts: a task list, a raw and a chat pair, a score."""
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


def tiny_chat_model(make: Texts | None = None, steps: int = STEPS) -> Path:
    """Return the folder of a model that is trained on the texts of `make`; do not write to it.

    The first text of each draw is the longest, and it forms a separate batch.
    """
    from isheep_worker.runtime.cache_folder import cache_folder

    make = make or texts()
    corpus = [text for seed in range(40) for text in make(random.Random(seed))]
    folder = cache_folder(os.environ) / "tiny-chat-models" / _key(make, corpus, steps)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _train(unfinished, make, corpus, steps)
            unfinished.rename(folder)
    return folder


def _key(make: Texts, corpus: list[str], steps: int) -> str:
    """Return the hash of everything on which the model depends."""
    digest = hashlib.sha256(f"{steps} {corpus}".encode())
    for file in (Path(__file__), Path(inspect.getfile(make)), LOCK):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _train(folder: Path, make: Texts, corpus: list[str], steps: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = build_tokenizer(corpus)
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
