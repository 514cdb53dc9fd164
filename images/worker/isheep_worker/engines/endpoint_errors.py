"""What an endpoint's failure means for a stage: a message with place and remedy, and a reason.

An unknown model and a refused request are bad input: a person must change something. A refused key
is so too, and the run waits for another key, because a key can expire in the middle of a run.
Everything that can pass (too many requests, an error of the server, no answer, an answer that is
none of a chat) is a source that does not answer: the driver tries the stage again later, and the
answers so far are stored. No message contains text of the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from isheep.contract.order import JUDGE_API_KEY, JudgeEndpointRef
from isheep_worker.runtime.errors import (
    BadInputError,
    SourceRefusedError,
    SourceUnreachableError,
    WorkerError,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that failed after all retries: the status of the last answer, or why there is none.

    `missing` is "timeout", "connection", "nonsense", "large" or "compressed" if there is no status.
    `attempts` is the number of attempts, None for the largest one.
    """

    status: int | None = None
    missing: str = ""
    attempts: int | None = None


def endpoint_error(endpoint: JudgeEndpointRef, failure: Failure) -> WorkerError:
    """Return the error of the stage, with the place and the remedy."""
    place = f"judge.endpoint: {origin(endpoint.url)}"
    if failure.status is None:
        return SourceUnreachableError(f"{place} {_no_answer(endpoint, failure)}")
    text, is_passing = _refusal(endpoint, failure.status, _attempts(endpoint, failure))
    refusal = SourceRefusedError if failure.status in _OF_THE_KEY else BadInputError
    kind = SourceUnreachableError if is_passing else refusal
    return kind(f"{place} answers {failure.status}: {text}")


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _attempts(endpoint: JudgeEndpointRef, failure: Failure) -> str:
    count = failure.attempts or endpoint.max_retries + 1
    return "1 attempt" if count == 1 else f"{count} attempts"


def _no_answer(endpoint: JudgeEndpointRef, failure: Failure) -> str:
    missing, tries = failure.missing, f"in {_attempts(endpoint, failure)}"
    if missing == "timeout":
        return (
            f"gave no answer within {endpoint.timeout_seconds} s {tries}; raise timeoutSeconds, or "
            "lower maxConcurrentRequests"
        )
    if missing == "nonsense":
        return (
            "answers without a completion of a chat; check that judge.endpoint.url is the part of "
            "the API's URL before /chat/completions"
        )
    if missing in _NOT_READ:
        return _NOT_READ[missing]
    return (
        f"cannot be reached {tries}; check judge.endpoint.url, the certificate of the server, and "
        "whether the network of the pods allows the connection"
    )


def _refusal(endpoint: JudgeEndpointRef, status: int, attempts: str) -> tuple[str, bool]:
    """Return what a status means with its remedy, and whether it can pass."""
    found = _STATUSES.get(status)
    if found is None:
        found = next(row for statuses, row in _OTHERS.items() if status in statuses)
    text = found[0].format(model=endpoint.model, attempts=attempts)
    return text, found[1]


_NOT_READ: Mapping[str, str] = {
    "large": (
        "sends an answer of more than 16 MiB, which is not read; check that judge.endpoint.url is "
        "that of a chat API, and look at the log of the server"
    ),
    "compressed": (
        "compresses its answer, although the request does not accept this, so the answer is not "
        "read; turn off the compression of the server or of the proxy in front of it"
    ),
}
"""Why the body of an answer was not read, see `bounded_client`."""
_KEY_REFUSED = (
    "the key is refused; correct the key `apiKey` in the Secret of judge.endpoint.secretRef "
    f"(or {JUDGE_API_KEY})"
)
_OF_THE_KEY = frozenset({401, 402, 403})
_NO_RESULT = "no result in {attempts}; look at the log of the server"
_STATUSES: Mapping[int, tuple[str, bool]] = {
    401: (_KEY_REFUSED, False),
    402: (
        "the account of the key has no credit; add credit, or use the key of another account",
        False,
    ),
    403: (_KEY_REFUSED, False),
    404: (
        "it has no model {model!r}, or the path is wrong; correct judge.endpoint.model, or set "
        "judge.endpoint.url to the part before /chat/completions",
        False,
    ),
    408: (_NO_RESULT, True),
    409: (_NO_RESULT, True),
    429: (
        "too many requests, in {attempts}; set requestsPerMinute, lower "
        "maxConcurrentRequests, raise maxRetries, or raise the quota of the key",
        True,
    ),
}
_OTHERS: Mapping[range, tuple[str, bool]] = {
    range(300, 400): (
        "a redirect, which is not followed; set judge.endpoint.url to the final address",
        False,
    ),
    range(400, 500): (
        "it refuses the request; check that {model!r} is a chat model that accepts temperature, "
        "top_p, seed, stop and the length of assessment.sampling",
        False,
    ),
    range(0, 10000): ("an error of the server, in {attempts}; look at its log", True),
}
"""Ranges of statuses; the first one that contains a status counts."""
