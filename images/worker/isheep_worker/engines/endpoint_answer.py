"""The answer of an endpoint as a completion. The answer is text of a stranger, so it is validated.

Servers differ in what they leave out: the content is null if a model refuses, or if its thoughts
use all tokens. Such an answer is an empty text, which the reader of the score counts as unreadable.
The content of some models is a list of parts, of which those with the type text are the answer.

An endpoint can change its model behind one name. So each answer has the name of the model and the
fingerprint as the server returns them, and the date. They are counted with the stage's statistics.
The judge's rows also have the answer as the server sent it, up to a largest size, so that a user
can check a judgement later.
"""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from isheep_worker.engines.interface import Completion

MAX_TOKENS = 2**31
MAX_RAW_BYTES = 64 * 1024
"""The largest part of an answer that is kept as the server sent it."""
_SHORTEST_KEY = 8
_HIDDEN = b"[key]"
UNNAMED = "-"
"""The name of a model or a fingerprint that a server does not return."""
_NAME_CHARACTERS = 40
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._:/@+-]+")


class _Lenient(BaseModel):
    """Ignores fields that the API does not have, because many servers add some."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _writable(content: object) -> object:
    """Return a text, or the texts of a list of parts, without lone surrogates.

    UTF-8 cannot have lone surrogates.
    """
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        content = "".join(str(one.get("text", "")) for one in content if one.get("type") == "text")
    return content.encode("utf-8", "replace").decode() if isinstance(content, str) else content


def _count(value: object) -> object:
    """Return a number of tokens, 0 for null."""
    return 0 if value is None else value


class _Message(_Lenient):
    content: Annotated[str | None, BeforeValidator(_writable)] = None


class _Choice(_Lenient):
    message: _Message
    finish_reason: str | None = None


class _Cached(_Lenient):
    cached_tokens: int | None = Field(default=None, ge=0, le=MAX_TOKENS)


_Count = Annotated[int, BeforeValidator(_count), Field(ge=0, le=MAX_TOKENS)]


class _Usage(_Lenient):
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0
    prompt_tokens_details: _Cached | None = None


def _plain_name(text: object) -> str:
    """Return a name of the server in few plain characters, "" if there is none.

    Statistics have it in their names, and these are metadata of objects in the store.
    """
    return _NOT_PLAIN.sub("?", text)[:_NAME_CHARACTERS] if isinstance(text, str) else ""


_PlainName = Annotated[str, BeforeValidator(_plain_name)]


class _Answer(_Lenient):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None
    model: _PlainName = ""
    system_fingerprint: _PlainName = ""


def read_answer(id_: str, content: bytes, day: date) -> Completion | None:
    """Return the completion of a request, or None if the answer is none of a chat.

    Args:
        id_: The id of the request.
        content: The body of the answer. The API defines it as JSON with choices and usage.
        day: The date of the answer.
    """
    try:
        answer = _Answer.model_validate(json.loads(content))
    except (ValueError, RecursionError):
        return None
    choice, usage = answer.choices[0], answer.usage or _Usage()
    details = usage.prompt_tokens_details
    return Completion(
        id=id_,
        text=choice.message.content or "",
        finish_reason="length" if choice.finish_reason == "length" else "stop",
        prompt_tokens=usage.prompt_tokens,
        tokens=usage.completion_tokens,
        cached_prompt_tokens=(details.cached_tokens if details else None) or 0,
        served_by=served_by(day, answer.model, answer.system_fingerprint),
    )


def without_key(text: bytes, key: str | None) -> bytes:
    """Return a text of the server without the key that was sent, which is None without one.

    A server can repeat the headers of a request in its answer, and the store must not contain the
    key. A text of less than 8 characters is no secret, and can be a part of any word.
    """
    if key is None or len(key) < _SHORTEST_KEY:
        return text
    return text.replace(key.encode(), _HIDDEN)


def raw_json(content: bytes) -> tuple[str, bool]:
    """Return the beginning of the body of an answer as text, and whether it lacks its end."""
    return content[:MAX_RAW_BYTES].decode("utf-8", "replace"), len(content) > MAX_RAW_BYTES


def served_by(day: date, model: str, fingerprint: str) -> str:
    """Return the date, the model and the fingerprint of an answer as one text."""
    return f"{day.isoformat()} {model or UNNAMED} {fingerprint or UNNAMED}"
