"""The requests of a benchmark as token ids, their digest, and what an engine makes of them.

A rendered request contains everything that a model's output depends on. Two models are compared
only if the digests of their requests are equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, assert_never

from isheep_worker.engines.interface import Completion, Request
from isheep_worker.rows.item_seeds import item_seed


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens whose probability is wanted, and the tokens before them; neither is empty."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scoring:
    """The probability of a text: the sum over its windows.

    `cut` is the number of tokens that were cut from the left, because the model is too short.
    """

    windows: tuple[Window, ...]
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Generation:
    """A text that the model writes after a prompt. At temperature 0 it is greedy."""

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float
    top_p: float
    stop: tuple[str, ...]
    stop_token_ids: tuple[int, ...]
    cut: int = 0


Work = Scoring | Generation


@dataclass(frozen=True, slots=True)
class RenderedRequest:
    """A request of a benchmark.

    `doc` is the number of the item in the evaluated split, `number` that of the request in the
    item, and `repeat` that of the answer to the request.
    """

    task: str
    doc: int
    number: int
    repeat: int
    work: Work

    @property
    def id(self) -> str:
        """The id, unique in a benchmark."""
        return request_id(self.task, self.doc, self.number, self.repeat)


@dataclass(frozen=True, slots=True)
class Output:
    """The model's output for a request: of a `Scoring` the first two fields, else the text.

    `logprob` is in nats. `is_greedy` says whether no token of the text has a more likely one.
    """

    logprob: float | None = None
    is_greedy: bool | None = None
    text: str | None = None


def request_id(task: str, doc: int, number: int, repeat: int) -> str:
    """Return the id of a request, see `RenderedRequest`."""
    return f"{task}/{doc}/{number}/{repeat}"


def requests_digest(requests: Iterable[RenderedRequest]) -> str:
    """Return the SHA-256 of requests in their order, in hex."""
    digest = hashlib.sha256()
    for request in requests:
        digest.update(json.dumps(request_row(request), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def request_row(request: RenderedRequest) -> dict[str, Any]:
    """Return a request as a value of JSON."""
    kind = "scoring" if isinstance(request.work, Scoring) else "generation"
    return {"kind": kind, **asdict(request)}


def request_of(row: Mapping[str, Any]) -> RenderedRequest:
    """Return the request of a row, the inverse of `request_row`."""
    fields = {name: value for name, value in row.items() if name not in ("kind", "work")}
    return RenderedRequest(**fields, work=_work(row["kind"], row["work"]))


def longest_length(requests: Iterable[RenderedRequest]) -> int:
    """Return the length in tokens that a model needs for these requests; 0 without requests."""
    return max(
        (
            len(part.prompt_token_ids) + part.room
            for request in requests
            for part in engine_requests(request, 0)
        ),
        default=0,
    )


def engine_requests(request: RenderedRequest, random_seed: int) -> list[Request]:
    """Return what an engine must answer for a request: one engine request for each window.

    Args:
        request: The request of the benchmark.
        random_seed: The seed of the evaluation; texts that are sampled depend on it.
    """
    work = request.work
    match work:
        case Scoring():
            return [
                Request(
                    id=f"{request.id}#{number}",
                    prompt_token_ids=window.context,
                    seed=0,
                    temperature=0.0,
                    top_p=1.0,
                    max_tokens=1,
                    continuation=window.continuation,
                )
                for number, window in enumerate(work.windows)
            ]
        case Generation():
            item = f"{request.doc}/{request.number}/{request.repeat}"
            return [
                Request(
                    id=f"{request.id}#0",
                    prompt_token_ids=work.prompt,
                    seed=item_seed(random_seed, request.task, item),
                    temperature=work.temperature,
                    top_p=work.top_p,
                    max_tokens=work.max_tokens,
                    stop=work.stop,
                    stop_token_ids=work.stop_token_ids,
                )
            ]
        case _:
            assert_never(work)


def output_of(request: RenderedRequest, completions: Sequence[Completion]) -> Output:
    """Return the output for a request from the completions of its engine requests, in order."""
    if isinstance(request.work, Generation):
        (only,) = completions
        return Output(text=only.text)
    return Output(
        logprob=float(sum(one.continuation_logprob or 0.0 for one in completions)),
        is_greedy=all(bool(one.is_greedy) for one in completions),
    )


def _work(kind: str, fields: Mapping[str, Any]) -> Work:
    if kind == "scoring":
        windows = (
            Window(tuple(window["context"]), tuple(window["continuation"]))
            for window in fields["windows"]
        )
        return Scoring(tuple(windows), fields["cut"])
    lists = {name: tuple(fields[name]) for name in ("prompt", "stop", "stop_token_ids")}
    return Generation(**{**fields, **lists})
