"""How the Transformers engine scores continuations: one forward pass for each batch.

The pass reads the prompt and the continuation without its last token. The logits at the last
positions predict the continuation's tokens, so nothing is generated.

Requests are cut into batches in their order, so a batch depends only on the group. On a CPU,
padding costs as much as other tokens. A request therefore joins a batch only if the batch then
costs less than two passes: the answers to one question share their prompt, which is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from isheep_worker.engines.interface import Completion, Request
from isheep_worker.engines.prefill import prefill, shared_prefix
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
        prompts = [request.prompt_token_ids for request in requests]
        kept = max(len(request.continuation) for request in requests)
        _, _, logits = prefill(
            self._model,
            [_inputs(request) for request in requests],
            shared_prefix(prompts, self._model.config),
            kept,
        )
        return [_completion(request, row) for request, row in zip(requests, logits, strict=True)]


def continuation_batches(
    requests: Sequence[Request], rows: int, config: Any, tokens_at_once: int
) -> list[tuple[Request, ...]]:
    """Cut requests into batches.

    Args:
        requests: The requests in their order, each with a continuation.
        rows: The most requests of a batch.
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


def _fits(batch: tuple[Request, ...], rows: int, config: Any, tokens_at_once: int) -> bool:
    """Return whether the last request of a batch may be in it."""
    kept = max(len(request.continuation) for request in batch)
    if len(batch) > rows or len(batch) * kept > LOGITS_AT_ONCE:
        return False
    if len(batch) * max(len(_inputs(request)) for request in batch) <= tokens_at_once:
        return True
    apart = _tokens(batch[:-1], config) + len(_inputs(batch[-1]))
    return _tokens(batch, config) <= max(apart, tokens_at_once)


def _tokens(batch: Sequence[Request], config: Any) -> int:
    """Return the tokens that the pass over a batch computes, with padding."""
    shared = shared_prefix([request.prompt_token_ids for request in batch], config)
    return shared + len(batch) * (max(len(_inputs(request)) for request in batch) - shared)


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
