"""Prompts for stages: from the run's templates and the model's chat format to token ids.

A stage resolves the chat format from the tokenizer again and compares it with the digest that
prepare pinned. Otherwise another version of a library could resolve the format in another way and
change the prompts and the training data without notice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from isheep.contract.choices import PromptFormat, Thinking
from isheep_worker.inputs.model_files import eos_token_ids
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.templates.chat import (
    ChatFormat,
    ChatFormatError,
    PromptRenderer,
    resolve_chat_format,
)
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.response import response_chat, response_raw


class Pair(Protocol):
    """The part of a row that training and measures read."""

    @property
    def instruction(self) -> str: ...  # noqa: D102 - the name is enough
    @property
    def input(self) -> str: ...  # noqa: D102
    @property
    def response(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Prompting:
    """A model's chat format, and the renderer of prompts in this format."""

    chat_format: ChatFormat
    renderer: PromptRenderer


def chat_format_digest(chat_format: ChatFormat) -> str:
    """Return the digest of a chat format, which keys contain.

    An empty text of a later version is left out, so that a format has the digest that it had.
    """
    fields = {
        name: value
        for name, value in asdict(chat_format).items()
        if value or name not in ("lead", "end_text")
    }
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def load_prompting(folder: Path, digest: str) -> Prompting:
    """Return the chat format and renderer of the tokenizer in a folder.

    The digest is that of the format without thoughts, or of the format for responses with thoughts.
    Raises `BadInputError` if neither format has the digest.
    """
    prompting = resolve_prompting(folder)
    if (found := chat_format_digest(prompting.chat_format)) == digest:
        return prompting
    with suppress(ChatFormatError):
        thinking = resolve_prompting(folder, "Keep")
        if chat_format_digest(thinking.chat_format) == digest:
            return thinking
    raise BadInputError(
        f"the chat format of {folder} has the digest {found}, but the run is pinned to "
        f"{digest}: the tokenizer has changed, or this worker's libraries resolve the format "
        "in another way; use the model and the worker image that the run started with, or "
        "edit the run so that it is pinned again"
    )


@lru_cache(maxsize=3)
def resolve_prompting(folder: Path, thinking: Thinking = "Remove") -> Prompting:
    """Return the chat format and renderer of a tokenizer; raises `ChatFormatError`."""
    from transformers import AutoTokenizer  # noqa: PLC0415 (heavy)

    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    chat_format = resolve_chat_format(tokenizer, eos_token_ids(folder), thinking)
    return Prompting(chat_format, PromptRenderer(tokenizer, chat_format))


def dump_templates(library: TemplateLibrary, names: Collection[str]) -> bytes:
    """Return the named templates as one input document."""
    texts = {name: library.texts[name] for name in names}
    return json.dumps(texts, sort_keys=True, ensure_ascii=False, indent=1).encode()


def load_library(inputs: Inputs, *digests: str) -> TemplateLibrary:
    """Return the run's templates from the documents that prepare stored."""
    texts: dict[str, str] = {}
    for digest in digests:
        texts |= json.loads(inputs.get(digest))
    return TemplateLibrary(texts)


def task_text(
    library: TemplateLibrary, prompt_format: PromptFormat, instruction: str, input_: str
) -> str:
    """Return the raw prompt or the user's message that asks for a response to a task."""
    write = response_raw if prompt_format == "Raw" else response_chat
    return write(library, instruction, input_)


def token_ids(renderer: PromptRenderer, prompt_format: PromptFormat, text: str) -> list[int]:
    """Return the token ids of a raw prompt or of a user's message."""
    return renderer.raw(text) if prompt_format == "Raw" else renderer.chat(text)


def task_prompt(
    library: TemplateLibrary,
    renderer: PromptRenderer,
    prompt_format: PromptFormat,
    instruction: str,
    input_: str,
) -> list[int]:
    """Return the token ids of the prompt that asks for a response to a task."""
    text = task_text(library, prompt_format, instruction, input_)
    return token_ids(renderer, prompt_format, text)


def task_response(
    library: TemplateLibrary,
    renderer: PromptRenderer,
    prompt_format: PromptFormat,
    pair: Pair,
    *,
    ended: bool,
) -> list[int]:
    """Return the token ids of a pair's response, after the prompt that asks for it.

    `ended` is True if the end of the turn follows.
    """
    raw = None
    if prompt_format == "Raw":
        raw = task_text(library, prompt_format, pair.instruction, pair.input)
    return renderer.response(pair.response, raw, ended=ended)
