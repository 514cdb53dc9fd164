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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isheep.contract.choices import ChatFormatKind, Thinking
from isheep.contract.reasons import Reason
from isheep_worker.runtime.error_texts import describe
from isheep_worker.runtime.errors import WorkerError
from isheep_worker.templates.answer_start import answer_start, thoughts_start
from isheep_worker.templates.control_tokens import Split, special_ids, split_at_controls
from isheep_worker.templates.token_boundaries import LiteralEncoder, response_lead
from isheep_worker.text.thoughts import closing_tag, opening_tag

# Letters only and no words, so that no template, normalizer or trimming changes it.
SENTINEL = "qzxvsentinelqzxv"

ANSWER_SENTINEL = "vkjwanswervkjw"

# For templates that ask for today's date.
FROZEN_DATE = "1 January 2025"

_NO_THOUGHTS = {"enable_thinking": False}

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
    message, then `after` (see `answer_start`). A response follows after `lead`, white space that
    belongs to its first token (see `token_boundaries`). In training, `end_of_turn_ids` close a
    response; `end_text` is the text before the control token among them. In inference,
    `stop_token_ids` end a completion.
    """

    kind: ChatFormatKind
    template: str
    before: str
    after: str
    end_of_turn_ids: tuple[int, ...]
    stop_token_ids: tuple[int, ...]
    lead: str = ""
    end_text: str = ""


def resolve_chat_format(
    tokenizer: Any, eos_token_ids: Iterable[int] = (), thinking: Thinking = "Remove"
) -> ChatFormat:
    """Return the format of a conversation with a model.

    Args:
        tokenizer: The model's tokenizer, as Transformers loads it.
        eos_token_ids: More ids that end a completion, from the model's generation config.
        thinking: Whether a response may begin with the model's thoughts.

    Returns:
        The format.

    Raises:
        ChatFormatError: The tokenizer is not a fast one, has no EOS token, or has a template that
            does not render or does not write the user's message exactly once; or thoughts must be
            kept, and their marks are control tokens, which no response contains.
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
    chat = _Template(tokenizer, template, thoughts=thinking == "Keep")
    before, generation_prompt = chat.around_message()
    written = chat.before_answer(before)
    if thinking == "Keep":
        chat.check_thoughts(generation_prompt, written)
        after = thoughts_start(generation_prompt)
    else:
        after = answer_start(generation_prompt, written)
    lead = response_lead(chat.encode, before + SENTINEL + after)
    end_text, end_of_turn = chat.end_of_turn()
    stops = {*eos_token_ids, tokenizer.eos_token_id, end_of_turn[-1]}
    return ChatFormat(
        kind=kind,
        template=template,
        before=before,
        after=after.removesuffix(lead),
        end_of_turn_ids=end_of_turn,
        stop_token_ids=tuple(sorted(stops)),
        lead=lead,
        end_text=end_text,
    )


class PromptRenderer:
    """Converts text to token ids in a fixed chat format."""

    def __init__(self, tokenizer: Any, chat_format: ChatFormat) -> None:
        """Take a fast tokenizer, which is not changed."""
        from tokenizers import Tokenizer  # noqa: PLC0415 - heavy

        self._format = chat_format
        self._parsing = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._parsing.no_padding()
        self._parsing.no_truncation()
        self._literal = LiteralEncoder(self._parsing)
        self._special = special_ids(tokenizer)
        self._bos = _bos_ids(tokenizer)
        self._before = self._split(chat_format.before)
        self._after = self._split(chat_format.after)
        self._controls = len(self._before.controls) + len(self._after.controls)

    def raw(self, text: str) -> list[int]:
        """Return the ids of a prompt that is not a chat, after the BOS that the model expects."""
        return [*self._bos, *self._literal.ids(text)]

    def chat(self, user: str, begun: str | None = None) -> list[int]:
        """Return the ids of a user's message, up to the start of the assistant's turn.

        Args:
            user: The user's message.
            begun: A text that starts the assistant's turn; it contains no control tokens. An empty
                text starts it too: the white space before a response is then a part of the prompt.

        Returns:
            The ids of the message in the chat format, and of `begun`.
        """
        before, after = self._format.before, self._format.after
        if begun is not None:
            after += self._format.lead + begun
        ids = self._encode(before + user + after).ids
        if sum(token in self._special for token in ids) == self._controls:
            return list(ids)
        # The message contains the name of a control token, so it is encoded without them.
        last, first = self._before, self._split(after)
        inner = last.tail + user + first.head
        encoded = self._literal.continued("", inner, after_control=bool(last.controls))
        return [*last.ids_to_last, *encoded, *first.ids_from_first]

    def conversation(self, template: Sequence[str], messages: Sequence[str]) -> list[int]:
        """Return the ids of a conversation, up to the start of the assistant's turn.

        Args:
            template: The texts of the chat template before, between and after the messages.
            messages: The messages; one fewer than there are texts of the template.

        Returns:
            The ids of the whole text. No message ends a turn, also if it has a control token's
            name.
        """
        following = [*messages, ""]
        pairs = list(zip(template, following, strict=True))
        ids = list(self._encode("".join(text + message for text, message in pairs)).ids)
        splits = [self._split(text) for text in template]
        controls = sum(len(split.controls) for split in splits)
        if sum(token in self._special for token in ids) == controls:
            return ids
        ids, plain = [], ""
        for split, message in zip(splits, following, strict=True):
            plain += split.head
            if split.controls:
                ids += self._literal.continued("", plain, after_control=bool(ids))
                ids += split.ids_between
                plain = split.tail
            plain += message
        return [*ids, *self._literal.continued("", plain, after_control=bool(ids))]

    def response(
        self, text: str, raw_prompt: str | None = None, *, ended: bool = True
    ) -> list[int]:
        """Return the ids of a response after its prompt, which training predicts.

        They are the ids that the whole text of prompt and response has after the prompt.

        Args:
            text: The response.
            raw_prompt: The text of the prompt if it is not a chat.
            ended: Whether the end of the turn follows. A response that was cut has none.
        """
        after = self._after
        if raw_prompt is not None:
            context, after_control = raw_prompt, False
        else:
            context = after.tail if after.controls else SENTINEL + after.tail
            text, after_control = self._format.lead + text, bool(after.controls)
        if not ended:
            return self._literal.continued(context, text, after_control=after_control)
        text += self._format.end_text
        ids = self._literal.continued(context, text, after_control=after_control)
        return [*ids, self._format.end_of_turn_ids[-1]]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without control tokens and without any cleanup of blanks."""
        text: str = self._parsing.decode(list(ids), skip_special_tokens=True)
        return text

    def _encode(self, text: str) -> Any:
        return self._parsing.encode(text, add_special_tokens=False)

    def _split(self, text: str) -> Split:
        return split_at_controls(self._encode(text), text, self._special)


def conversation_text(
    tokenizer: Any, template: str, messages: Sequence[Mapping[str, str]], **arguments: Any
) -> str:
    """Return the text of a conversation in a chat template, which sees a fixed date.

    Args:
        tokenizer: The model's tokenizer.
        template: The Jinja text of the template.
        messages: The messages, each with `role` and `content`.
        **arguments: Further arguments of `apply_chat_template`. If `enable_thinking` is not among
            them, a template that can ask for thoughts does not do so.

    Raises the errors of Jinja, and those of Python in the template's expressions.
    """
    text: str = tokenizer.apply_chat_template(
        list(messages),
        chat_template=template,
        tokenize=False,
        date_string=FROZEN_DATE,
        strftime_now=lambda _format: FROZEN_DATE,
        **{**_NO_THOUGHTS, **arguments},
    )
    return text


class _Template:
    """A chat template of a tokenizer, rendered with or without the model's thoughts."""

    def __init__(self, tokenizer: Any, template: str, *, thoughts: bool) -> None:
        self._tokenizer = tokenizer
        self._template = template
        # Some templates can ask for thoughts, under one of these names.
        self._flags = {"enable_thinking": True, "thinking": True} if thoughts else _NO_THOUGHTS

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text with its control tokens."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def around_message(self) -> tuple[str, str]:
        """Return the text of the template before and after one user message."""
        parts = self._apply({"user": SENTINEL}, prompt=True).split(SENTINEL)
        if len(parts) != 2:
            raise ChatFormatError(
                f"the tokenizer's chat template writes the user's message {len(parts) - 1} times; "
                "it must do so once: set another chat_template in the tokenizer"
            )
        return parts[0], parts[1]

    def before_answer(self, before: str) -> str | None:
        """Return what the template writes between a message and an answer in a conversation.

        The result is None if the template does not write both texts once and as they are.
        """
        text = self._apply({"user": SENTINEL, "assistant": ANSWER_SENTINEL}, prompt=False)
        start, user, rest = text.partition(SENTINEL)
        between, answer, _ = rest.partition(ANSWER_SENTINEL)
        return between if user and answer and start == before else None

    def check_thoughts(self, generation_prompt: str, written: str | None) -> None:
        """Raise `ChatFormatError` if control tokens mark the thoughts or the answer."""
        special = special_ids(self._tokenizer)
        opening = opening_tag(self._template)
        marks = "" if opening is None else opening[0] + closing_tag(opening)
        if written is not None and written.startswith(generation_prompt):
            marks += written.removeprefix(generation_prompt)
        if any(token in special for token in self.encode(marks)):
            raise ChatFormatError(
                "responses.thinking is Keep, but the marks between the model's thoughts and its "
                "answer are control tokens, which a response cannot contain: set responses."
                "thinking: Remove"
            )

    def end_of_turn(self) -> tuple[str, tuple[int, ...]]:
        """Return the text before the control token that ends an assistant's turn, and all its ids.

        The template writes them after an assistant's message. If it writes no control token there,
        the EOS closes the turn.
        """
        messages = {"user": "user", "assistant": SENTINEL}
        rest = self._apply(messages, prompt=False).rpartition(SENTINEL)[2]
        encoded = self._tokenizer.backend_tokenizer.encode(rest, add_special_tokens=False)
        split = split_at_controls(encoded, rest, special_ids(self._tokenizer))
        if not split.controls:
            return "", (self._tokenizer.eos_token_id,)
        message = self.encode(SENTINEL)
        ended = self.encode(SENTINEL + split.head)
        inner = ended[len(message) :] if ended[: len(message)] == message else []
        return split.head, (*inner, split.controls[0])

    def _apply(self, messages: Mapping[str, str], *, prompt: bool) -> str:
        """Return the text of a conversation, which maps each role to its message."""
        from jinja2 import TemplateError  # noqa: PLC0415

        conversation = [{"role": role, "content": content} for role, content in messages.items()]
        try:
            text = conversation_text(
                self._tokenizer,
                self._template,
                conversation,
                add_generation_prompt=prompt,
                **self._flags,
            )
        except (TemplateError, TypeError, LookupError, ValueError) as error:
            # An error of Python can quote a message, which can be generated text.
            shown = str(error) if isinstance(error, TemplateError) else describe(error)
            raise ChatFormatError(
                f"the tokenizer's chat template does not render: {shown}"
            ) from error
        return text


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
