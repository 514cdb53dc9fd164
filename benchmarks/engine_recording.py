"""Records vLLM's engine inside a worker and every request that the engine gets.

The worker itself is unchanged: it loads the engine and submits requests as in a run, so the
benchmarks measure the worker. A benchmark can replace the start of vLLM, for example to start an
`LLM` that it calls directly as well.
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
"""Starts vLLM's engine with the given settings and returns the engine."""


@dataclass
class EngineRecording:
    """vLLM's engine, None until the worker has loaded it, and the requests that it got."""

    engine: Any = None
    requests: list[Request] = field(default_factory=list)


@contextmanager
def recorded_engine(start: Start | None = None) -> Iterator[EngineRecording]:
    """Record the worker's engine and its requests; `start`, if given, makes the engine."""
    recording, own_start, submit = EngineRecording(), vllm_engine._start, VLLMEngine.submit

    def start_recorded(settings: dict[str, Any]) -> Any:
        recording.engine = (start or own_start)(settings)
        return recording.engine

    def submit_recorded(engine: VLLMEngine, group: Sequence[Request]) -> None:
        recording.requests.extend(group)
        submit(engine, group)

    with (
        patch.object(vllm_engine, "_start", start_recorded),
        patch.object(VLLMEngine, "submit", submit_recorded),
    ):
        yield recording
