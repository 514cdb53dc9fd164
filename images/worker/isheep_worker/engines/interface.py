"""What a stage asks of an engine: a stream in, a stream out.

The stage submits groups of requests (a group is one part's worth, or one level
of it) and polls for completions as they finish; it goes on submitting from its
next part while earlier ones are in flight, so that no barrier idles the device.
An engine that batches (Transformers) cuts its batches in item order inside a
group and never across groups: that is why its output does not depend on where
a run was interrupted. Prompts are token ids, never text: rendering happens once,
in `templates/`, for inference and training alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to complete, n = 1.

    `id` is the caller's and unique among those in flight. `seed` is 63 bits.
    `stop` strings end a completion and are not part of its text; `stop_token_ids`
    likewise. `regex`, where given, constrains the text (structured outputs).
    """

    id: str
    prompt_token_ids: tuple[int, ...]
    seed: int
    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    regex: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine made of a request. Token counts are before stop strings are trimmed."""

    id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    tokens: int
    cached_prompt_tokens: int = 0


class PromptTooLongError(ValueError):
    """A prompt leaves no room for its completion within the model's length."""


class Engine(Protocol):
    """A loaded model that completes prompts."""

    @property
    def max_in_flight(self) -> int:
        """How many requests are worth having submitted at once."""

    @property
    def in_flight(self) -> int:
        """How many submitted requests have not been returned by `poll`."""

    def submit(self, group: Sequence[Request]) -> None:
        """Queue a group. Raises `PromptTooLongError` before any of it is queued."""

    def poll(self) -> list[Completion]:
        """Work for a short while and return what finished, in any order; maybe nothing.

        Raises `DeviceMemoryError` where the device's memory is exhausted. With
        nothing in flight it returns at once.
        """

    def close(self) -> None:
        """Free the device. Idempotent."""


class DeviceMemoryError(RuntimeError):
    """The device's memory is exhausted (exit code 80)."""
