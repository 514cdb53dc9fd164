"""The chat format that a digest pins, with and without the model's thoughts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.chat import ChatFormat
from isheep_worker.templates.prompting import (
    chat_format_digest,
    load_prompting,
    resolve_prompting,
)

from .chat_models import tokenizer_of

PLAIN = ChatFormat("Plain", "{{ messages }}", "a", "b", (2,), (2,))
DIGEST = "012556a76590c07d8a0c985f2ddc4f42e3f3f32e05a6f6dbb4eb666d9f01d49a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a tokenizer whose template can turn thoughts off."""
    tokenizer_of("Qwen-3").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_the_digest_selects_the_format(folder: Path) -> None:
    removing, keeping = resolve_prompting(folder), resolve_prompting(folder, "Keep")
    digests = [chat_format_digest(one.chat_format) for one in (removing, keeping)]
    assert digests[0] != digests[1]
    assert [load_prompting(folder, digest) for digest in digests] == [removing, keeping]
    with pytest.raises(BadInputError, match="the run is pinned to x"):
        load_prompting(folder, "x")


def test_a_format_without_white_space_before_responses_has_the_digest_that_it_had() -> None:
    assert chat_format_digest(PLAIN) == DIGEST
    more = [replace(PLAIN, lead=" "), replace(PLAIN, end_text=" ")]
    assert len({DIGEST, *map(chat_format_digest, more)}) == 3
