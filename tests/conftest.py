"""Fixtures of several folders: models that are small enough for unit tests, and one real model.

The tiny models are real Transformers checkpoints with random, seeded weights: two layers, hidden
size 64, and a byte-level BPE vocabulary that is trained here on a few lines. Their texts have no
meaning, but they are fast and reproducible, and they use every code path of a real model. Each
pytest worker builds them in less than a second.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# On a busy machine, an example may take more than the 200 ms that Hypothesis allows, and the
# generation of the examples more than its second.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

TESTS = Path(__file__).parent
TINY_VOCABULARY = 384
MOST_NAMED = 200
"""The largest number of characters of a parameter that a test's name contains."""
SECONDS: Counter[str] = Counter()
"""The seconds of tests and their fixtures by suite; a suite is a folder of tests/."""
FIGURES: list[str] = []
"""Measurements without a limit, which tests report by `record_property("figures", …)`."""


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a long value by its beginning: pytest-xdist sends each name several times."""
    if isinstance(val, str | bytes) and len(val) > MOST_NAMED:
        return f"{val[:20]!r} and more, {len(val)} in all"
    return None


# pytest-xdist reads the groups in the same hook, so this one runs first.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that share an expensive fixture in one process."""
    for item in items:
        if (group := _group_of(item)) is not None:
            item.add_marker(pytest.mark.xdist_group(group))


def _group_of(item: pytest.Item) -> str | None:
    path = item.path.relative_to(TESTS)
    if path.parts[0] in ("control_plane", "store"):
        return path.parts[0]
    if path.parts[0] in ("docs", "e2e_local"):
        return path.stem
    if "fork_server" in getattr(item, "fixturenames", ()):
        return "fork_server"
    # An import of vLLM takes ten seconds.
    return "vllm" if path.stem in ("test_vllm_adapter", "test_vllm_engine") else None


def pytest_collection_finish() -> None:
    """Keep the objects of all imports and tests out of each later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    SECONDS[report.nodeid.partition("/")[2].partition("/")[0]] += report.duration
    if report.when == "call":
        FIGURES.extend(str(value) for name, value in report.user_properties if name == "figures")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if len(SECONDS) > 1 or "node" in SECONDS:
        terminalreporter.section("minutes by suite, over all processes")
        for suite, seconds in sorted(SECONDS.items()):
            terminalreporter.line(f"{suite:15} {seconds / 60:5.1f}")
    for figures in FIGURES:
        terminalreporter.line(figures)


TINY_CORPUS = (
    "Come up with a list of tasks. Each task has an instruction and an input.",
    "1. Instruction: Name three fruits.\n1. Input:\n<noinput>",
    "2. Instruction: Translate the sentence.\n2. Input:\nThe cat is on the mat.",
    "Score the answer from 1 to 10 as score||explanation. 8||It is good. 2||It is bad.",
    "user\nWhat is the answer?\nassistant\nThe answer is here and it is short.",
)

CHATML_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build_tiny_model(folder: Path, *, markers: bool, chat_template: bool, seed: int = 0) -> Path:
    """Write a tiny Llama and its tokenizer into `folder` and return it.

    With `markers`, ChatML's markers are single, special tokens and `<|im_end|>` is the EOS.
    Without them, the tokenizer has a BOS `<s>`, which it adds, and an EOS `</s>`. With
    `chat_template`, the tokenizer has a chat template.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bos, eos = ("<|im_start|>", "<|im_end|>") if markers else ("<s>", "</s>")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TINY_CORPUS,
        trainers.BpeTrainer(
            vocab_size=TINY_VOCABULARY,
            special_tokens=["<|endoftext|>", bos, eos],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if not markers:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, pad_token="<|endoftext|>"
    )
    if chat_template:
        fast.chat_template = CHATML_TEMPLATE
    fast.save_pretrained(folder)

    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        tie_word_embeddings=True,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose tokenizer has ChatML's markers and a chat template."""
    folder = tmp_path_factory.mktemp("tiny-chat")
    return build_tiny_model(folder, markers=True, chat_template=True)


@pytest.fixture(scope="session")
def tiny_base_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model without a chat template and without ChatML's markers; it adds a BOS."""
    folder = tmp_path_factory.mktemp("tiny-base")
    return build_tiny_model(folder, markers=False, chat_template=False)


@pytest.fixture(scope="session")
def smollm2_dir() -> Path:
    """SmolLM2-135M-Instruct in float32 safetensors, at `$ISHEEP_TEST_MODEL`."""
    folder = os.environ.get("ISHEEP_TEST_MODEL")
    if not folder:
        pytest.fail(
            "ISHEEP_TEST_MODEL is not set: set it to a folder with SmolLM2-135M-Instruct as "
            "float32 safetensors"
        )
    return Path(folder)
