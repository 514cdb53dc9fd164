"""The start of an answer: no open block of thoughts, and the channel of the final answer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from isheep_worker.templates.answer_start import answer_start
from isheep_worker.templates.chat import PromptRenderer, resolve_chat_format

USERS = "{% for m in messages %}{% if m.role == 'user' %}{{ '<u>' + m.content }}{% else %}"
END = "{% endif %}{% endfor %}{% if add_generation_prompt %}"
TEMPLATES = {
    # R1: an open block of thoughts in the generation prompt, whatever enable_thinking says
    "open": USERS
    + "{{ '<a>' + m.content + eos_token }}"
    + END
    + "{{ '<a><think>\\n' }}{% endif %}",
    # gpt-oss: the template writes the channel, and the generation prompt does not
    "channel": USERS
    + "{{ '<a><|channel|>final<|message|>' + m.content + eos_token }}"
    + END
    + "{{ '<a>' }}{% endif %}",
    # Qwen3: both have an empty block if thinking is off
    "off": USERS
    + "{{ '<a><think>\\n\\n</think>\\n\\n' + m.content + eos_token }}"
    + END
    + "{{ '<a>' }}{% if not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    + "{% endif %}",
    # the template writes an empty block, the generation prompt stops before it
    "block": USERS
    + "{{ '<a><think>\\n\\n</think>\\n\\n' + m.content + eos_token }}"
    + END
    + "{{ '<a>' }}{% endif %}",
    # no thoughts: the two forms are equal
    "plain": USERS + "{{ '<a>' + m.content + eos_token }}" + END + "{{ '<a>' }}{% endif %}",
    # the template drops the thoughts of an answer, as R1's does
    "split": USERS
    + "{{ '<a>' + m.content.split('</think>')[-1] + eos_token }}"
    + END
    + "{{ '<a><think>\\n' }}{% endif %}",
}
EMPTY_BLOCK = "<think>\n\n</think>\n\n"


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.mark.parametrize(
    ("template", "after"),
    [
        ("open", f"<a>{EMPTY_BLOCK}"),
        ("channel", "<a><|channel|>final<|message|>"),
        ("off", f"<a>{EMPTY_BLOCK}"),
        ("block", f"<a>{EMPTY_BLOCK}"),
        ("plain", "<a>"),
        ("split", f"<a>{EMPTY_BLOCK}"),
    ],
)
def test_an_answer_starts_after_thoughts_and_in_its_channel(
    template: str, after: str, tokenizer: Any
) -> None:
    own = copy.deepcopy(tokenizer)
    own.chat_template = TEMPLATES[template]
    found = resolve_chat_format(own)
    assert (found.before, found.after) == ("<u>", after)
    renderer = PromptRenderer(own, found)
    assert renderer.decode(renderer.chat("Hi.")).endswith(f"Hi.{after}")


@pytest.mark.parametrize(
    ("generation_prompt", "written", "start"),
    [
        ("<a><think>", "<a>", f"<a>{EMPTY_BLOCK}"),
        ("<a><think>\n", None, f"<a>{EMPTY_BLOCK}"),
        ("<a>[THINK]", "<a>", "<a>[THINK]\n\n[/THINK]\n\n"),
        ("<a>\u25c1think\u25b7", "<a>", "<a>\u25c1think\u25b7\n\n\u25c1/think\u25b7\n\n"),
        ("<a><seed:think>", "<a>", "<a><seed:think>\n\n</seed:think>\n\n"),
        ("<a><think></think>", "<a>", "<a><think></think>"),
        ("<a>\n", "<a>", "<a>\n"),
        ("<a>", "<b>", "<a>"),
        ("", "", ""),
    ],
)
def test_each_pair_of_forms(generation_prompt: str, written: str | None, start: str) -> None:
    assert answer_start(generation_prompt, written) == start
