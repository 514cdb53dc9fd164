"""How the Transformers engine scores continuations: one forward pass for each batch.

The pass reads the prompt and the continuation without its last token. The logits at the last
positions predict the continuation's tokens, so nothing is generated.

Requests are cut into batches in their order, so a batch depends only on the group. Requests with
equal inputs are one row: the letters that answer a question differ in their last token only. On a
CPU, padding costs as much as other tokens. A request therefore joins a batch only if this costs
less than a pass of its own: the answers to one question share their prompt, which is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from isheep_worker.engines.interface import Completion, Request
from isheep_worker.engines.prefill import PASS_TOKENS, prefill, shared_prefix
from isheep_worker.engines.token_losses import are_most_likely, token_losses

GPU_TOKENS_AT_ONCE = 4096
"""The tokens, with padding, that a batch of a GPU may have whatever the padding costs."""
LOGITS_AT_ONCE = 2048
"""Positions of a batch whose logits are kept, with padding. A longer continuation is alone."""


class ContinuationBatch:
    """Requests with continuations that one forward pass scores."""

    def __init__(self, model: Any, requests: Sequence[Request]) -> None:
        self._model = model
        self._requests = tuple(requests)

    @property
    def size(self) -> int:
        """Number of requests that are not finished."""
        return len(self._requests)

    def step(self) -> list[Completion]:
        """Score all continuations."""
        requests, self._requests = self._requests, ()
        rows = _rows(requests)
        kept = max(len(request.continuation) for request in requests)
        _, _, logits = prefill(self._model, list(rows), _shared(requests, self._model.config), kept)
        return [_completion(request, logits[rows[_inputs(request)]]) for request in requests]


def continuation_batches(
    requests: Sequence[Request], rows: int, config: Any, tokens_at_once: int
) -> list[tuple[Request, ...]]:
    """Cut requests into batches.

    Args:
        requests: The requests in their order, each with a continuation.
        rows: The most rows of a batch.
        config: The model's configuration.
        tokens_at_once: A batch with at most this number of tokens is never cut for its padding.

    Returns:
        The batches, each with at least one request.
    """
    found: list[tuple[Request, ...]] = []
    for request in requests:
        joined = (*found[-1], request) if found else (request,)
        if found and _fits(joined, rows, config, tokens_at_once):
            found[-1] = joined
        else:
            found.append((request,))
    return found


def _fits(batch: tuple[Request, ...], most: int, config: Any, tokens_at_once: int) -> bool:
    """Return whether the last request of a batch may be in it."""
    rows = _rows(batch)
    kept = max(len(request.continuation) for request in batch)
    if len(rows) > most or len(rows) * kept > LOGITS_AT_ONCE:
        return False
    if len(rows) * max(map(len, rows)) <= tokens_at_once:
        return True
    return _cost(batch, config) <= _cost(batch[:-1], config) + _cost(batch[-1:], config)


def _cost(batch: Sequence[Request], config: Any) -> int:
    """Return the cost of a batch in tokens: those of its rows, with padding, and of its passes."""
    rows = _rows(batch)
    shared = _shared(batch, config)
    passes = 2 if shared else 1
    return passes * PASS_TOKENS + shared + len(rows) * (max(map(len, rows)) - shared)


def _rows(batch: Sequence[Request]) -> dict[tuple[int, ...], int]:
    """Return the different inputs of a batch, each with its number."""
    inputs = dict.fromkeys(_inputs(request) for request in batch)
    return {row: number for number, row in enumerate(inputs)}


def _shared(batch: Sequence[Request], config: Any) -> int:
    """Return the number of leading tokens that a pass of their own computes, or 0."""
    prompts: dict[tuple[int, ...], tuple[int, ...]] = {}
    for request in batch:
        prompt, row = request.prompt_token_ids, _inputs(request)
        # The prompts of one row are beginnings of each other, and the smallest is the shortest.
        prompts[row] = min(prompt, prompts.get(row, prompt))
    return shared_prefix(list(prompts.values()), config)


def _inputs(request: Request) -> tuple[int, ...]:
    return request.prompt_token_ids + request.continuation[:-1]


def _completion(request: Request, logits: torch.Tensor) -> Completion:
    """Return the scores of a request, from the logits of its batch's last positions."""
    own = logits[-len(request.continuation) :]
    wanted = torch.tensor(request.continuation)
    return Completion(
        id=request.id,
        text="",
        finish_reason="stop",
        prompt_tokens=len(request.prompt_token_ids),
        tokens=0,
        continuation_tokens=len(request.continuation),
        continuation_logprob=-float(token_losses(own, wanted).sum()),
        is_greedy=are_most_likely(own, wanted),
    )
