"""The client of an endpoint against a real server of vLLM with the tiny chat model."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from isheep.contract.order import JudgeEndpointRef
from isheep_worker.engines.endpoint_client import EndpointClient
from isheep_worker.engines.interface import Request
from isheep_worker.runtime.errors import BadInputError

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

KEY = "sk-tiny"
SECONDS = 900
LENGTH = 512
REQUEST = Request("0/p1", (), 7, 1.0, 1.0, 12, text="Describe quiet rivers in a coastal town.")


@pytest.fixture(scope="module")
def wide_model_dir(tiny_chat_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights whose heads have a size that vLLM's CPU kernels accept."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("wide")
    AutoTokenizer.from_pretrained(tiny_chat_model_dir).save_pretrained(folder)
    wide = {"hidden_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig.from_pretrained(tiny_chat_model_dir, **wide, head_dim=32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(wide_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that has started."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "log"
    server = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    options = {
        "model": wide_model_dir,
        "served-model-name": "judge-1",
        "host": "127.0.0.1",
        "port": port,
        "api-key": KEY,
        "max-model-len": LENGTH,
        "dtype": "float32",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*server, *words, "--enforce-eager"], stdout=output, stderr=output, env=environment
        )
    try:
        deadline = time.monotonic() + SECONDS
        while not _is_ready(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def _is_ready(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


def client(url: str, key: str = KEY, model: str = "judge-1") -> EndpointClient:
    endpoint = JudgeEndpointRef(
        url=url, model=model, max_concurrent_requests=2, timeout_seconds=300, max_retries=0
    )
    return EndpointClient(endpoint, key)


def test_an_answer_has_text_and_tokens_and_the_seed_decides_it(url: str) -> None:
    first = client(url).complete(REQUEST)
    assert first.text
    assert 0 < first.tokens <= 12
    assert 5 < first.prompt_tokens < 100
    assert client(url).complete(REQUEST).text == first.text
    others = {client(url).complete(replace(REQUEST, seed=seed)).text for seed in range(5)}
    assert len(others) > 1


def test_an_answer_ends_at_its_length_or_before_a_stop_string(url: str) -> None:
    whole = client(url).complete(replace(REQUEST, max_tokens=4))
    assert (whole.tokens, whole.finish_reason) == (4, "length")
    stop = next(one for one in whole.text[1:] if one.isascii() and one.isalnum())
    stopped = client(url).complete(replace(REQUEST, max_tokens=4, stop=(stop,)))
    assert stopped.finish_reason == "stop"
    assert stopped.text == whole.text[: whole.text.index(stop)]


def test_a_prompt_that_is_too_long_has_no_answer(url: str) -> None:
    assert client(url).ask(replace(REQUEST, text="rivers " * LENGTH)) is None
    # If only the answer is too long, this server shortens it.
    capped = client(url).complete(replace(REQUEST, max_tokens=LENGTH))
    assert 12 < capped.tokens <= LENGTH - capped.prompt_tokens


def test_a_refused_key_and_an_unknown_model_are_bad_input(url: str) -> None:
    with pytest.raises(BadInputError, match="answers 401: the key is refused"):
        client(url, key="sk-other").complete(REQUEST)
    with pytest.raises(BadInputError, match="answers 404: it has no model 'judge-2'"):
        client(url, model="judge-2").complete(REQUEST)
