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

from isheep_worker.engines.adapter import Adapter

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to complete, n = 1.

    `id` is the caller's and unique among those in flight. `seed` is 63 bits.
    `stop` strings end a completion and are not part of its text; `stop_token_ids`
    likewise. `regex`, where given, constrains the text (structured outputs).
    `presence_penalty` is taken from the logit of every token that the completion holds
    by then, once however often, before the temperature and the greedy choice; what the
    prompt holds does not count.

    With `labels` (distinct token ids) nothing is generated: the completion has no text,
    and the log-probabilities of these tokens as the next one. How to sample does not
    matter then, and `max_tokens` is 1.
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
    labels: tuple[int, ...] = ()
    presence_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine made of a request. Token counts are before stop strings are trimmed.

    `label_logprobs` are natural logarithms of probabilities among the whole vocabulary, in
    the order of the request's labels, at temperature 1.
    """

    id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    tokens: int
    cached_prompt_tokens: int = 0
    label_logprobs: tuple[float, ...] = ()


class PromptTooLongError(ValueError):
    """A prompt leaves no room for its completion within the model's length."""


class Engine(Protocol):
    """A loaded model that completes prompts."""

    @property
    def max_in_flight(self) -> int:
        """How many requests are worth having submitted: twice what it works on at once."""

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

    def adapt(self, adapter: Adapter | None) -> None:
        """Answer as the base with this adapter from now on; None: as the base alone.

        Only between requests. Raises `AdapterError` where the engine cannot serve it, and
        `DeviceMemoryError`.
        """

    def close(self) -> None:
        """Free the device. Idempotent."""


class DeviceMemoryError(RuntimeError):
    """The device's memory is exhausted (exit code 80)."""
