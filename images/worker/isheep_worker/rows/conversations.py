"""The first exchange of a conversation: `messages`, ShareGPT's `conversations`, lists of texts.

A run works with one instruction and one response, without a system message. The first message of
the user and the answer to it are such a pair; a later answer depends on turns that the pair would
not show. So later turns and system messages are left out, and `Exchange` counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isheep.contract.invisible_characters import without_invisible
from isheep_worker.rows.records import RecordError, json_type, text_field

_USER, _ASSISTANT, _SYSTEM = "user", "assistant", "system"
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), _USER),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bard", "bing", "model", "bot"), _ASSISTANT),
    **dict.fromkeys(("system", "developer"), _SYSTEM),
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """The first message of the user, and the answer to it or None."""

    user: str
    assistant: str | None
    later_messages: int = 0
    has_system: bool = False


def first_exchange(messages: object, where: str, field: str) -> Exchange:
    """Return the first exchange of a conversation.

    Args:
        messages: A list of objects with `role` and `content` or with `from` and `value`, or a list
            of texts in which user and assistant alternate.
        where: The place of the record in messages.
        field: The field that has the conversation.

    Returns:
        The exchange. The answer is None if the conversation ends with the user's message.

    Raises:
        RecordError: The value is not a conversation, the user is not first (after the system),
            or the answer to the user's message is not the assistant's.
    """
    if not isinstance(messages, list) or not messages:
        kind = "an empty list" if messages == [] else json_type(messages)
        raise RecordError(
            f"{where}: field '{field}' is {kind}, not a list of messages; write it as "
            '[{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]'
        )
    turns = [_turn(message, where, field, n) for n, message in enumerate(messages)]
    spoken = [turn for turn in turns if turn[0] != _SYSTEM]
    if not spoken or spoken[0][0] != _USER:
        raise RecordError(
            f"{where}: field '{field}' does not begin with a message of the user; remove what is "
            "before it, or remove the record"
        )
    if len(spoken) > 1 and spoken[1][0] != _ASSISTANT:
        raise RecordError(
            f"{where}: field '{field}': the message after the first one of the user is not the "
            "assistant's; join the messages of one speaker, or remove the record"
        )
    if not without_invisible(spoken[0][1]).strip():
        raise RecordError(
            f"{where}: field '{field}': the first message of the user is blank; write the task, or "
            "remove the record"
        )
    return Exchange(
        user=spoken[0][1],
        assistant=spoken[1][1] if len(spoken) > 1 else None,
        later_messages=max(0, len(spoken) - 2),
        has_system=any(role == _SYSTEM and text.strip() for role, text in turns),
    )


def history_exchange(history: list[Any], where: str) -> Exchange:
    """Return the first exchange of LLaMA-Factory's `history`, a list of pairs of texts.

    The record's own instruction and output are the last exchange, so they count as later messages.
    """
    first = history[0]
    if not isinstance(first, list) or len(first) != 2:
        raise RecordError(
            f"{where}: field 'history[0]' is not a pair of an instruction and a response; write it "
            'as ["…", "…"], or remove the field'
        )
    exchange = first_exchange(first, where, "history[0]")
    return Exchange(exchange.user, exchange.assistant, later_messages=2 * len(history))


def _turn(message: object, where: str, field: str, number: int) -> tuple[str, str]:
    """Return the speaker and the text of a message."""
    place = f"{field}[{number}]"
    if isinstance(message, str):
        speaker = _ASSISTANT if number % 2 else _USER
        return speaker, text_field({place: message}, place, where)
    if not isinstance(message, dict):
        raise RecordError(
            f"{where}: field '{place}' is {json_type(message)}, not a message; write it as "
            '{"role": "user", "content": "…"}'
        )
    role = message.get("role", message.get("from"))
    if not isinstance(role, str) or not role.strip():
        raise RecordError(f"{where}: field '{place}.role' is missing; write user or assistant")
    name = "content" if "content" in message else "value"
    content = message.get(name)
    text = _joined(content) if isinstance(content, list) else content
    # An unknown speaker, such as a tool, has a turn that is neither the user's nor the assistant's.
    speaker = _ROLES.get(role.strip().lower(), role)
    return speaker, text_field({name: text or ""}, name, where, prefix=f"{place}.")


def _joined(parts: list[Any]) -> object:
    """Return the text of a content in parts, or the first part that is not text."""
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            return part
        texts.append(text)
    return "\n".join(texts)
