"""The choice of the chat template, and the conversion of text to token ids with it.

Inference and training use the same conversion. `resolve_chat_format` chooses the format of a
conversation with a model in prepare, and fixes it for the run: the tokenizer's own chat template if
it has one; else ChatML, if ChatML's markers are single tokens of the tokenizer; else a plain-text
form whose turns end with the model's own EOS. `PromptRenderer` converts text to ids in this fixed
format, and no other code does.

The format contains more than the text of the template: it contains the exact text before and after
the user's message. Some templates write today's date into their system prompt. A prompt that
changes overnight is not reproducible, and it differs from the prompt of the training.

Generated text is hostile. A task that contains `<|im_end|>` must not end a turn in a prompt or in a
training target. So the renderer encodes a message together with its template, as the developers of
the model do. If the result has more control tokens than the template alone, the renderer encodes
the message with a copy of the tokenizer that has no control tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from isheep.contract.choices import ChatFormatKind
from isheep.contract.reasons import Reason
from isheep_worker.runtime.errors import WorkerError
from isheep_worker.templates.answer_start import answer_start

# Letters only and no words, so that no template, normalizer or trimming changes it.
SENTINEL = "qzxvsentinelqzxv"

ANSWER_SENTINEL = "vkjwanswervkjw"

# For templates that ask for today's date.
FROZEN_DATE = "1 January 2025"

CHATML_MARKERS = ("<|im_start|>", "<|im_end|>")
CHATML_TEMPLATE = (
    "{{ bos }}"
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
    "{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PLAIN_TEMPLATE = (
    "{{ bos }}"
    "{% for message in messages %}"
    "{{ '### ' + message['role'] | capitalize + ':\\n' + message['content'] }}"
    "{{ eos_token + '\\n' if message['role'] == 'assistant' else '\\n\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Assistant:\\n' }}{% endif %}"
)


class ChatFormatError(WorkerError, ValueError):
    """The tokenizer or its chat template cannot be used; the message has cause and remedy."""

    reason = Reason.BAD_MODEL


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """The format of a conversation, resolved once a run; plain data for keys and orders.

    `template` is the Jinja text that merged models contain. A prompt is `before`, then the user's
    message, then `after` (see `answer_start`). In training, `end_of_turn_ids` close a response; in
    inference, `stop_token_ids` end a completion.
    """

    kind: ChatFormatKind
    template: str
    before: str
    after: str
    end_of_turn_ids: tuple[int, ...]
    stop_token_ids: tuple[int, ...]


def resolve_chat_format(tokenizer: Any, eos_token_ids: Iterable[int] = ()) -> ChatFormat:
    """Return the format of a conversation with a model.

    Args:
        tokenizer: The model's tokenizer, as Transformers loads it.
        eos_token_ids: More ids that end a completion, from the model's generation config.

    Returns:
        The format.

    Raises:
        ChatFormatError: The tokenizer is not a fast one, has no EOS token, or has a template that
            does not render or does not write the user's message exactly once.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ChatFormatError(
            "the tokenizer has no tokenizer.json: load it with Transformers' AutoTokenizer "
            "from its original files, and save it with save_pretrained()"
        )
    if tokenizer.eos_token_id is None:
        raise ChatFormatError(
            "the tokenizer has no EOS token, so no response would ever end: "
            "set eos_token in tokenizer_config.json"
        )
    kind, template = _template_of(tokenizer)
    before, generation_prompt = _around_message(tokenizer, template)
    after = answer_start(generation_prompt, _before_answer(tokenizer, template, before))
    end_of_turn = _end_of_turn_ids(tokenizer, template)
    stops = {*eos_token_ids, tokenizer.eos_token_id, end_of_turn[-1]}
    return ChatFormat(
        kind=kind,
        template=template,
        before=before,
        after=after,
        end_of_turn_ids=end_of_turn,
        stop_token_ids=tuple(sorted(stops)),
    )


class PromptRenderer:
    """Converts text to token ids in a fixed chat format."""

    def __init__(self, tokenizer: Any, chat_format: ChatFormat) -> None:
        """Take a fast tokenizer, which is not changed."""
        from tokenizers import Tokenizer  # noqa: PLC0415 - heavy

        self._tokenizer = tokenizer
        self._format = chat_format
        self._parsing = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._parsing.no_padding()
        self._parsing.no_truncation()
        self._literal = Tokenizer.from_str(self._parsing.to_str())
        self._literal.encode_special_tokens = True
        self._special = _special_ids(tokenizer)
        self._bos = _bos_ids(tokenizer)
        self._before = self._ids(chat_format.before)
        self._after = self._ids(chat_format.after)
        self._controls = self._count_controls(self._before + self._after)

    def raw(self, text: str) -> list[int]:
        """Return the ids of a prompt that is not a chat, after the BOS that the model expects."""
        return [*self._bos, *self._plain_ids(text)]

    def chat(self, user: str, begun: str = "") -> list[int]:
        """Return the ids of a user's message, up to the start of the assistant's turn.

        Args:
            user: The user's message.
            begun: A text that starts the assistant's turn; it contains no control tokens.

        Returns:
            The ids of the message in the chat format, and of `begun`.
        """
        after = self._format.after + begun
        ids = self._ids(self._format.before + user + after)
        if self._count_controls(ids) == self._controls:
            return ids
        return [
            *self._before,
            *self._plain_ids(user),
            *(self._ids(after) if begun else self._after),
        ]

    def response(self, text: str) -> list[int]:
        """Return the ids of a response and of the end of its turn, which training predicts."""
        return [*self._plain_ids(text), *self._format.end_of_turn_ids]

    def text(self, text: str) -> list[int]:
        """Return the ids of a text alone, without a BOS or a chat format."""
        return self._plain_ids(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without control tokens and without any cleanup of blanks."""
        text: str = self._parsing.decode(list(ids), skip_special_tokens=True)
        return text

    def _ids(self, text: str) -> list[int]:
        return list(self._parsing.encode(text, add_special_tokens=False).ids)

    def _plain_ids(self, text: str) -> list[int]:
        return list(self._literal.encode(text, add_special_tokens=False).ids)

    def _count_controls(self, ids: Sequence[int]) -> int:
        return sum(token in self._special for token in ids)


def _template_of(tokenizer: Any) -> tuple[ChatFormatKind, str]:
    own = tokenizer.chat_template
    if isinstance(own, dict):
        own = own.get("default")
    if own:
        return "Own", own
    bos = tokenizer.decode(_bos_ids(tokenizer))
    if all(_is_single_token(tokenizer, marker) for marker in CHATML_MARKERS):
        return "ChatML", CHATML_TEMPLATE.replace("{{ bos }}", bos)
    return "Plain", PLAIN_TEMPLATE.replace("{{ bos }}", bos)


def _special_ids(tokenizer: Any) -> frozenset[int]:
    """Return the ids of all control tokens."""
    added = tokenizer.added_tokens_decoder.items()
    return frozenset({tokenizer.eos_token_id, *(token for token, entry in added if entry.special)})


def _is_single_token(tokenizer: Any, text: str) -> bool:
    return len(tokenizer.encode(text, add_special_tokens=False)) == 1


def _bos_ids(tokenizer: Any) -> list[int]:
    """Return the ids that the tokenizer adds before a text: a BOS, or none."""
    ids: list[int] = tokenizer.encode(SENTINEL)
    inner: list[int] = tokenizer.encode(SENTINEL, add_special_tokens=False)
    for start in range(len(ids) - len(inner) + 1):
        if ids[start : start + len(inner)] == inner:
            return ids[:start]
    return []


def _apply(tokenizer: Any, template: str, messages: list[dict[str, str]], *, prompt: bool) -> str:
    from jinja2 import TemplateError  # noqa: PLC0415

    try:
        text: str = tokenizer.apply_chat_template(
            messages,
            chat_template=template,
            tokenize=False,
            add_generation_prompt=prompt,
            # Some templates can ask for thoughts; a response must contain the answer only.
            enable_thinking=False,
            date_string=FROZEN_DATE,
            strftime_now=lambda _format: FROZEN_DATE,
        )
    except (TemplateError, TypeError, LookupError, ValueError) as error:
        raise ChatFormatError(f"the tokenizer's chat template does not render: {error}") from error
    return text


def _around_message(tokenizer: Any, template: str) -> tuple[str, str]:
    """Return the text of the template before and after one user message."""
    user = {"role": "user", "content": SENTINEL}
    parts = _apply(tokenizer, template, [user], prompt=True).split(SENTINEL)
    if len(parts) != 2:
        raise ChatFormatError(
            f"the tokenizer's chat template writes the user's message {len(parts) - 1} times; "
            "it must do so once: set another chat_template in the tokenizer"
        )
    return parts[0], parts[1]


def _before_answer(tokenizer: Any, template: str, before: str) -> str | None:
    """Return what the template writes between a user's message and an answer in a conversation.

    The result is None if the template does not write both texts once and as they are.
    """
    messages = [
        {"role": "user", "content": SENTINEL},
        {"role": "assistant", "content": ANSWER_SENTINEL},
    ]
    text = _apply(tokenizer, template, messages, prompt=False)
    start, user, rest = text.partition(SENTINEL)
    between, answer, _ = rest.partition(ANSWER_SENTINEL)
    return between if user and answer and start == before else None


def _end_of_turn_ids(tokenizer: Any, template: str) -> tuple[int, ...]:
    """Return the ids that close an assistant's turn, up to the first control token.

    The template writes them after an assistant's message. If it writes no control token there, the
    EOS closes the turn.
    """
    messages = [
        {"role": "user", "content": "user"},
        {"role": "assistant", "content": SENTINEL},
    ]
    rest = _apply(tokenizer, template, messages, prompt=False).rpartition(SENTINEL)[2]
    special = _special_ids(tokenizer)
    ids: list[int] = tokenizer.encode(rest, add_special_tokens=False)
    for position, token in enumerate(ids):
        if token in special:
            return tuple(ids[: position + 1])
    return (tokenizer.eos_token_id,)
