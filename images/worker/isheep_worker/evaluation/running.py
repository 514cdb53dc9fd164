"""Answers the requests of a benchmark with an engine, in one process and without a store.

Groups of requests are submitted while earlier ones run, as stages do it, so that the device is
never idle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from isheep_worker.engines.interface import Completion, Engine, Request
from isheep_worker.evaluation.requests import (
    Output,
    RenderedRequest,
    Work,
    engine_requests,
    output_of,
)

GROUP = 64
"""Requests that are submitted together. The batches of an engine depend on it."""


def run(engine: Engine, requests: Sequence[RenderedRequest], random_seed: int) -> dict[str, Output]:
    """Return the output for each request by its id.

    Args:
        engine: An idle engine.
        requests: The requests in their order.
        random_seed: The seed of the evaluation.
    """
    parts = {request.id: engine_requests(request, random_seed) for request in requests}
    done: dict[str, Completion] = {}
    whole = list(parts.values())
    groups = [
        [part for one in whole[start : start + GROUP] for part in one]
        for start in range(0, len(whole), GROUP)
    ]
    # A text without tokens has no windows.
    waiting = iter([group for group in groups if group])
    more = _submit(engine, waiting)
    while more or engine.in_flight:
        if more and engine.in_flight < engine.max_in_flight:
            more = _submit(engine, waiting)
        done |= {completion.id: completion for completion in engine.poll()}
    return {
        request.id: output_of(request, [done[part.id] for part in parts[request.id]])
        for request in requests
    }


def answering(engine: Engine, random_seed: int) -> Callable[[Sequence[Work]], list[Output]]:
    """Return a function for `HarnessModel`: an engine answers what lm-eval asks.

    Args:
        engine: An idle engine.
        random_seed: The seed of the evaluation.
    """

    def answer(works: Sequence[Work]) -> list[Output]:
        requests = [RenderedRequest("", number, 0, 0, work) for number, work in enumerate(works)]
        return list(run(engine, requests, random_seed).values())

    return answer


def _submit(engine: Engine, groups: Iterator[list[Request]]) -> bool:
    """Submit the next group; return whether there was one."""
    group = next(groups, None)
    if group is not None:
        engine.submit(group)
    return group is not None
