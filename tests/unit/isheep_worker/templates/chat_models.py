"""Tiny tokenizers and chat templates with the structure of well-known families of models.

The templates are written for these tests. They have the markers, the roles, the default texts and
the refusals of their family, and nothing else. A tokenizer has the kind of its family: byte-level
BPE, or SentencePiece with a prefix blank and byte fallback.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from tests.conftest import TINY_CORPUS

# In SentencePiece's vocabularies, a line break is a byte and no part of a longer token.
CORPUS = [text.replace("\n", " ") for text in TINY_CORPUS]
BYTES = [f"<0x{number:02X}>" for number in range(256)]
Kind = Literal["ByteLevel", "Legacy", "First", "Always", "Never", "Unigram"]

_LOOP = "{% for m in messages %}"
_END = "{% endfor %}"
_ALTERNATION = (
    "{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('The roles must be user and assistant in turn.') }}"
    "{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class Family:
    """A family of models: its template, its control tokens and its kind of tokenizer.

    `absorbing` are control tokens that take the white space after them. `words` are added tokens
    that are no control tokens.
    """

    template: str
    control: Sequence[str]
    eos: str
    bos: str | None = None
    kind: Kind = "ByteLevel"
    absorbing: bool = False
    words: Sequence[str] = field(default=())


LLAMA_2 = (
    "{% if messages[0].role == 'system' %}"
    "{% set rest, about = messages[1:], '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}"
    "{% else %}{% set rest, about = messages, '' %}{% endif %}"
    "{% for m in rest %}{% if m.role == 'user' %}"
    "{{ bos_token + '[INST] ' + (about if loop.first else '') + m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% set about = 'Today is ' + date_string %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\n' + about + '<|eot_id|>' }}"
    + _LOOP
    + "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim }}"
    "{{ '<|eot_id|>' }}" + _END + "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
QWEN_2 = (
    "{% if messages[0].role != 'system' %}"
    "{{ '<|im_start|>system\\nYou answer well.<|im_end|>\\n' }}{% endif %}"
    + _LOOP
    + "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    + _END
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
QWEN_3 = (
    _LOOP + "{% if m.role == 'assistant' %}"
    "{% set answer = m.content.split('</think>')[-1].lstrip('\\n') %}"
    "{% set thoughts = '<think>\\n\\n</think>\\n\\n' if loop.last else '' %}"
    "{{ '<|im_start|>assistant\\n' + thoughts + answer }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}{% endif %}{{ '<|im_end|>\\n' }}"
    + _END
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{{ raise_exception('There is no system role.') }}{% endif %}"
    + _ALTERNATION
    + _LOOP
    + "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}"
    "{{ m.content | trim + '<end_of_turn>\\n' }}"
    + _END
    + "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}"
    + _ALTERNATION
    + _LOOP
    + "{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% else %}{{ m.content + eos_token }}{% endif %}" + _END
)
PHI_3 = (
    _LOOP
    + "{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}"
    + _END
    + "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
PHI_4 = (
    _LOOP
    + "{{ '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}"
    + _END
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
DEEPSEEK_V3 = (
    "{{ bos_token }}" + _LOOP + "{% if m.role == 'user' %}{{ '<\uff5cUser\uff5c>' + m.content }}"
    "{% else %}{{ '<\uff5cAssistant\uff5c>' + m.content + eos_token }}{% endif %}"
    + _END
    + "{% if add_generation_prompt %}{{ '<\uff5cAssistant\uff5c>' }}{% endif %}"
)
DEEPSEEK_R1 = DEEPSEEK_V3.replace("+ m.content + eos", "+ m.content.split('</think>')[-1] + eos")
DEEPSEEK_R1 = DEEPSEEK_R1.replace(
    "{{ '<\uff5cAssistant\uff5c>' }}", "{{ '<\uff5cAssistant\uff5c><think>\\n' }}"
)
DEEPSEEK_V31 = DEEPSEEK_V3.replace(
    "{{ '<\uff5cAssistant\uff5c>' + m.content", "{{ '<\uff5cAssistant\uff5c></think>' + m.content"
).replace(
    "{{ '<\uff5cAssistant\uff5c>' }}",
    "{{ '<\uff5cAssistant\uff5c>' + ('<think>' if thinking else '</think>') }}",
)
NO_MARKERS = (
    _LOOP
    + "{{ m.role | capitalize + ': ' + m.content + '\\n' }}"
    + _END
    + "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"
)

_IM = ("<|im_start|>", "<|im_end|>")
_DEEPSEEK = ("<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<b\uff5c>", "<e\uff5c>")
_SENTENCEPIECE = {"control": ("<s>", "</s>"), "bos": "<s>", "eos": "</s>"}
_OF_DEEPSEEK: dict[str, Any] = {
    "control": _DEEPSEEK,
    "bos": "<b\uff5c>",
    "eos": "<e\uff5c>",
    "words": ("<think>", "</think>"),
}
FAMILIES: dict[str, Family] = {
    "Llama-2": Family(LLAMA_2, **_SENTENCEPIECE, kind="Legacy"),
    "Llama-2-First": Family(LLAMA_2, **_SENTENCEPIECE, kind="First"),
    "Llama-2-Never": Family(LLAMA_2, **_SENTENCEPIECE, kind="Never"),
    "Llama-3": Family(
        LLAMA_3,
        ("<|bot|>", "<|eos|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eos|>",
        "<|bot|>",
    ),
    "Qwen-2": Family(QWEN_2, _IM, "<|im_end|>"),
    "Qwen-3": Family(QWEN_3, _IM, "<|im_end|>", words=("<think>", "</think>")),
    "Gemma": Family(
        GEMMA,
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>",
        "<bos>",
        kind="Never",
    ),
    "Mistral": Family(MISTRAL, **_SENTENCEPIECE, kind="Legacy"),
    "Mistral-Always": Family(MISTRAL, **_SENTENCEPIECE, kind="Always"),
    "Mistral-3": Family(
        MISTRAL.replace(" [/INST]", "[/INST]"),
        ("<s>", "</s>", "[INST]", "[/INST]"),
        "</s>",
        "<s>",
        kind="First",
    ),
    "Phi-3": Family(
        PHI_3,
        ("<s>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"),
        "<|endoftext|>",
        kind="Legacy",
        absorbing=True,
    ),
    "Phi-4": Family(PHI_4, ("<|im_start|>", "<|im_sep|>", "<|im_end|>"), "<|im_end|>"),
    "DeepSeek-V3": Family(DEEPSEEK_V3, **_OF_DEEPSEEK),
    "DeepSeek-V3.1": Family(DEEPSEEK_V31, **_OF_DEEPSEEK),
    "DeepSeek-R1": Family(DEEPSEEK_R1, **_OF_DEEPSEEK),
    "no markers": Family(NO_MARKERS, ("<s>", "</s>"), "</s>"),
    "no markers, SentencePiece": Family(NO_MARKERS, ("<s>", "</s>"), "</s>", kind="Legacy"),
    # Without a template, the product's own plain text is used.
    **{
        f"none, {kind}": Family("", **_SENTENCEPIECE, kind=kind)
        for kind in ("ByteLevel", "Legacy", "First", "Always", "Never", "Unigram")
    },
}


def tokenizer_of(name: str) -> Any:
    """Return the tokenizer of a family, with its chat template."""
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    family = FAMILIES[name]
    backend = _backend(family.kind)
    backend.add_special_tokens(
        [
            AddedToken(text, special=True, normalized=False, rstrip=family.absorbing)
            for text in family.control
        ]
    )
    backend.add_tokens([AddedToken(text, special=False, normalized=False) for text in family.words])
    if family.bos is not None:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A",
            special_tokens=[(family.bos, backend.token_to_id(family.bos))],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=family.bos,
        eos_token=family.eos,
        chat_template=family.template or None,
    )


def _backend(kind: Kind) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(_trained(kind))


@cache
def _trained(kind: Kind) -> str:
    """Return the document of a small tokenizer that can encode every text."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    words = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    if kind == "ByteLevel":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(TINY_CORPUS, trainer)
        return str(tokenizer.to_str())
    if kind == "Unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = words
        tokenizer.train_from_iterator(
            CORPUS,
            trainers.UnigramTrainer(
                vocab_size=200, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
            ),
        )
        found = json.loads(tokenizer.to_str())["model"]["vocab"]
        vocabulary = [(piece, score) for piece, score in found] + [(b, -20.0) for b in BYTES]
        tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = words
        tokenizer.train_from_iterator(
            CORPUS,
            trainers.BpeTrainer(
                vocab_size=600, special_tokens=["<unk>", *BYTES], show_progress=False
            ),
        )
        model = json.loads(tokenizer.to_str())["model"]
        merges = [tuple(pair) for pair in model["merges"]]
        tokenizer = Tokenizer(
            models.BPE(
                vocab=model["vocab"],
                merges=merges,
                byte_fallback=True,
                unk_token="<unk>",
                fuse_unk=True,
            )
        )
        if kind == "Legacy":
            tokenizer.normalizer = normalizers.Sequence(
                [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
            )
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
                prepend_scheme=kind.lower(), split=False
            )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return str(tokenizer.to_str())
