"""What benchmarks see of vLLM inside a worker: its own engine, and every request it gets.

The worker is given neither: it loads and asks as in a run, so that what is measured is the
worker. A benchmark may say how vLLM is started, as an `LLM` whose engine it asks as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from isheep_worker.engines import vllm_engine
from isheep_worker.engines.interface import Request
from isheep_worker.engines.vllm_engine import VLLMEngine

Start = Callable[[dict[str, Any]], Any]
"""Starts vLLM's engine from its settings, and returns it."""


@dataclass
class Spy:
    """vLLM's own engine inside the worker's, None until it is loaded, and what it was asked."""

    engine: Any = None
    requests: list[Request] = field(default_factory=list)


@contextmanager
def spied_engine(start: Start | None = None) -> Iterator[Spy]:
    """Note the worker's engine and its requests; the engine is what `start` makes, if given."""
    spy, own_start, submit = Spy(), vllm_engine._start, VLLMEngine.submit

    def start_noted(settings: dict[str, Any]) -> Any:
        spy.engine = (start or own_start)(settings)
        return spy.engine

    def note(engine: VLLMEngine, group: Sequence[Request]) -> None:
        spy.requests.extend(group)
        submit(engine, group)

    with (
        patch.object(vllm_engine, "_start", start_noted),
        patch.object(VLLMEngine, "submit", note),
    ):
        yield spy
