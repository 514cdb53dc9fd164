"""The HTTP client of an endpoint, with limits that a broken or hostile server cannot exceed.

The limits of the usual clients are for each read of the connection. A server that sends a byte from
time to time, endless headers or gigabytes would keep a worker for ever, or fill its memory. Here,
an attempt has one time limit from its start to the last byte of the answer, and an answer has a
largest size. The client asks for no compression and refuses it, because a few kilobytes can be
decompressed into gigabytes. Headers are limited by the HTTP library, to 100 KiB.

An attempt runs in a thread of its own. A server that never ends its headers keeps the thread until
the client is closed, and not the caller.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Literal

import httpx2
import openai

MAX_ANSWER_BYTES = 16 << 20
"""The largest answer. The longest useful one, 100,000 tokens in escaped characters, has 2 MiB."""
Problem = Literal["large", "compressed"]
"""Why an answer was not read."""
_PROBLEM = "isheep_problem"


class BoundedClient(openai.DefaultHttpxClient):
    """A client whose `send` returns the whole answer, within the limits. Threads may share it."""

    def __init__(self, seconds: float, before_attempt: Callable[[], None]) -> None:
        """Take the time limit of an attempt, and a function that is called before each one."""
        # A redirect would send the prompts, and perhaps the key, to a place that nobody chose.
        super().__init__(follow_redirects=False, headers={"Accept-Encoding": "identity"})
        self._seconds = seconds
        self._before_attempt = before_attempt

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Return the answer to a request with its body.

        An answer that exceeds a limit has no body; `problem_of` says why.

        Raises:
            httpx2.ReadTimeout: The answer was not complete in time.
            httpx2.HTTPError: The connection failed.
        """
        self._before_attempt()
        options["stream"] = True
        answers: queue.SimpleQueue[httpx2.Response | Exception] = queue.SimpleQueue()
        given_up = threading.Event()

        def attempt() -> None:
            try:
                answers.put(self._whole(request, options, given_up))
            except Exception as error:  # noqa: BLE001 (the caller's thread raises it)
                answers.put(error)

        threading.Thread(target=attempt, daemon=True, name="endpoint-attempt").start()
        try:
            found = answers.get(timeout=self._seconds)
        except queue.Empty:
            given_up.set()
            raise httpx2.ReadTimeout("the answer is not complete", request=request) from None
        if isinstance(found, Exception):
            raise found
        return found

    def _whole(
        self, request: httpx2.Request, options: dict[str, Any], given_up: threading.Event
    ) -> httpx2.Response:
        response = super().send(request, **options)
        try:
            problem = _problem_of_headers(response.headers)
            body = bytearray()
            for chunk in response.iter_raw() if problem is None else ():
                if given_up.is_set():
                    break
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    problem = "large"
                    break
        finally:
            response.close()
        return httpx2.Response(
            response.status_code,
            headers=_kept(response.headers),
            content=b"" if problem is not None else bytes(body),
            request=request,
            extensions={} if problem is None else {_PROBLEM: problem},
        )


def problem_of(response: Any) -> Problem | None:
    """Return why the body of a response was not read; None if it was."""
    problem: Problem | None = response.extensions.get(_PROBLEM)
    return problem


def _problem_of_headers(headers: httpx2.Headers) -> Problem | None:
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return "compressed"
    length = headers.get("content-length", "")
    return "large" if length.isdecimal() and int(length) > MAX_ANSWER_BYTES else None


def _kept(headers: httpx2.Headers) -> list[tuple[str, str]]:
    """Return the headers that still describe the response, whose body is complete now."""
    dropped = {"content-encoding", "content-length", "transfer-encoding"}
    return [(name, value) for name, value in headers.multi_items() if name not in dropped]
