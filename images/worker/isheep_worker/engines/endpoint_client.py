"""One request to an endpoint with the API of OpenAI, by the official client.

The client repeats a request after a lost connection, a time-out, 429 and 5xx, with growing pauses
or those that the server asks for. The rate limit counts each attempt. `bounded_client` limits the
time and the size of an answer, and follows no redirect.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from isheep.contract.order import JUDGE_API_KEY, JudgeEndpointRef
from isheep_worker.engines.endpoint_answer import raw_json, read_answer, without_key
from isheep_worker.engines.endpoint_errors import Failure, endpoint_error
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.runtime.errors import BadInputError

SEED_BITS = 31
"""Many servers refuse a seed with more bits."""
_TOO_LONG_CODE = "context_length_exceeded"
_CONTENT_TOO_LARGE = 413
_TOO_LONG_WORDS = (
    *("context length", "context window", "context size", "too long"),
    *("maximum number of tokens", "too many tokens", "max_new_tokens` must be"),
)
_NEW_LENGTH = "max_completion_tokens"


def _today() -> date:
    return datetime.now(UTC).date()


class RateLimit:
    """Spaces the attempts of all threads evenly; None means no limit."""

    def __init__(
        self,
        per_minute: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the number of attempts in a minute, and the clock in seconds."""
        self._seconds = 0.0 if per_minute is None else 60.0 / per_minute
        self._clock, self._sleep = clock, sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next attempt may begin."""
        if not self._seconds:
            return
        with self._lock:
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + self._seconds
        if begin > now:
            self._sleep(begin - now)


class EndpointClient:
    """The endpoint of a judge. Several threads may use it."""

    def __init__(
        self,
        endpoint: JudgeEndpointRef,
        key: str | None,
        today: Callable[[], date] = _today,
    ) -> None:
        """Take the endpoint, its key or None, and the date of the answers."""
        import openai  # noqa: PLC0415 (slow to import)

        from isheep_worker.engines.bounded_client import (  # noqa: PLC0415 (imports openai)
            BoundedClient,
            problem_of,
        )

        limit = RateLimit(endpoint.requests_per_minute)
        # Without these, the client would take an organisation and a project from the environment.
        left_out = ["OpenAI-Organization", "OpenAI-Project"]
        left_out += [] if key else ["Authorization"]
        self._headers: dict[str, Any] = {name: openai.Omit() for name in left_out}
        self.endpoint = endpoint
        self._openai = openai
        self._problem_of = problem_of
        self._today = today
        self._key = key
        self._length_name = "max_tokens"
        self._client = openai.OpenAI(
            api_key=key or "none",
            base_url=endpoint.url,
            timeout=endpoint.timeout_seconds,
            max_retries=endpoint.max_retries,
            http_client=BoundedClient(endpoint.timeout_seconds, limit.wait),
        )

    def complete(self, request: Request) -> Completion:
        """Return the answer as `ask` does, an empty one to a prompt that is too long."""
        return self.ask(request) or Completion(request.id, "", "length", 0, 0)

    def ask(self, request: Request) -> Completion | None:
        """Return the answer to `request.text`, the message of a user; None if it is too long.

        Raises:
            BadInputError: The key, the model or the request is refused.
            SourceUnreachableError: There is no answer after all retries, or one of another API.
        """
        name = self._length_name
        answer, failure = self._send(request, name)
        if failure is not None and name != _NEW_LENGTH and _refuses_length(failure):
            # The servers of newer models know the length by another name only.
            self._length_name = _NEW_LENGTH
            answer, failure = self._send(request, _NEW_LENGTH)
        if failure is None:
            return self._read(request, answer)
        if _is_too_long(failure):
            return None
        raise endpoint_error(self.endpoint, self._failure_of(failure))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read(self, request: Request, answer: Any) -> Completion:
        problem = self._problem_of(answer)
        if problem is not None:
            raise endpoint_error(self.endpoint, Failure(missing=problem))
        content = without_key(answer.content, self._key)
        completion = read_answer(request.id, content, self._today())
        if completion is None:
            raise endpoint_error(self.endpoint, Failure(missing="nonsense"))
        # JSON can also write the characters of the key in another way.
        text = without_key(completion.text.encode(), self._key).decode()
        raw, is_cut = raw_json(content)
        return replace(completion, text=text, raw_json=raw, raw_json_is_cut=is_cut)

    def _send(self, request: Request, length_name: str) -> tuple[Any, Exception | None]:
        """Return the response, or the client's error. The error contains the key."""
        options: dict[str, Any] = {length_name: request.max_tokens}
        if request.stop:
            options["stop"] = list(request.stop)
        if request.presence_penalty:
            options["presence_penalty"] = request.presence_penalty
        try:
            answer = self._client.chat.completions.with_raw_response.create(
                model=self.endpoint.model,
                messages=[{"role": "user", "content": request.text}],
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed % 2**SEED_BITS,
                extra_headers=self._headers,
                **options,
            )
        except self._openai.APIError as error:
            return None, error
        return answer.http_response, None

    def _failure_of(self, error: Any) -> Failure:
        # The client does not repeat a request if the server forbids it or asks for a long pause.
        retries = error.request.headers.get("x-stainless-retry-count", "")
        attempts = 1 + int(retries) if retries.isdecimal() else None
        if isinstance(error, self._openai.APIStatusError):
            return Failure(status=error.status_code, attempts=attempts)
        timed_out = isinstance(error, self._openai.APITimeoutError)
        return Failure(missing="timeout" if timed_out else "connection", attempts=attempts)


def open_endpoint(endpoint: JudgeEndpointRef) -> EndpointClient:
    """Return the client of an endpoint, with the key in the environment.

    Raises `BadInputError` if the key cannot be sent.
    """
    # A Secret that was made from a file often ends with a line break.
    key = os.environ.get(JUDGE_API_KEY, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadInputError(
            "judge.endpoint: the key contains a space, a line break or another character that "
            "cannot be sent; correct the key `apiKey` in the Secret of judge.endpoint.secretRef "
            f"(or {JUDGE_API_KEY})"
        )
    return EndpointClient(endpoint, key or None)


def _is_too_long(error: Exception) -> bool:
    """Return whether a prompt exceeds the context; servers say so in a code or in words."""
    status = getattr(error, "status_code", None)
    if status not in (400, _CONTENT_TOO_LARGE, 422):
        return False
    text = str(error).lower()
    return (
        status == _CONTENT_TOO_LARGE
        or getattr(error, "code", None) == _TOO_LONG_CODE
        or any(words in text for words in _TOO_LONG_WORDS)
    )


def _refuses_length(error: Exception) -> bool:
    is_refusal = getattr(error, "status_code", None) == 400
    return is_refusal and _NEW_LENGTH in str(error)
