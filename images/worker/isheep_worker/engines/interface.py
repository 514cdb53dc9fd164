"""The interface of engines: a stage submits groups of requests and polls for completions.

A group has the requests of one part, or of one level of that part. A stage submits requests of its
next part while those of earlier parts are in flight, so that the device never waits for the end of
a part. An engine that batches (Transformers) cuts its batches in item order inside a group and
never across groups. Therefore its output does not depend on where a run was interrupted. Prompts
are token ids and not text: `templates/` renders them, for inference and training in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from isheep.contract.reasons import Reason
from isheep_worker.engines.adapter import Adapter
from isheep_worker.runtime.errors import WorkerError

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt with one completion (n = 1).

    The caller chooses `id`, which is unique among the requests in flight. `seed` has 63 bits.
    `stop` strings and `stop_token_ids` end a completion and are not part of its text. If `regex` is
    set, the text must match it (structured outputs). The engine subtracts `presence_penalty` from
    the logit of each token that the completion already contains: once for each token, before the
    temperature and the greedy choice. Tokens of the prompt do not count.

    A request with `labels` (distinct token ids) generates nothing. Its completion has no text, but
    the log-probability of each label as the next token. The sampling fields have no effect then,
    and `max_tokens` is 1.

    A request with a `continuation` (token ids) generates nothing either. Its completion has the
    log-probability of these tokens after the prompt. The sampling fields, `stop` and `max_tokens`
    have no effect then.

    A request with `logprob` also gets the log-probability of the tokens that were drawn for it.

    A request with a `text` is for an endpoint, which gets the text as the message of a user. It has
    no tokens.
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
    continuation: tuple[int, ...] = ()
    text: str = ""
    logprob: bool = False

    @property
    def room(self) -> int:
        """Number of tokens that must fit behind the prompt."""
        return len(self.continuation) or self.max_tokens


@dataclass(frozen=True, slots=True)
class Completion:
    """The completion of a request. The engine counts tokens before it trims stop strings.

    `label_logprobs` are natural logarithms of probabilities over the whole vocabulary at
    temperature 1, in the order of the request's labels. `continuation_logprob` is the sum of these
    logarithms over the `continuation_tokens` tokens of the request's continuation. `is_greedy` says
    whether no other token is more likely at any of these positions; a tie counts as greedy. Both
    are None without a continuation.

    `logprob` is the sum of these logarithms over all `tokens`, before temperature, penalties and
    masks; None if the request did not ask for it.

    `served_by` and `raw_json` are "" unless an endpoint has answered: see
    `endpoint_answer.served_by` and `raw_json`. `raw_json_is_cut` says whether the latter lacks its
    end.
    """

    id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    tokens: int
    cached_prompt_tokens: int = 0
    label_logprobs: tuple[float, ...] = ()
    continuation_tokens: int = 0
    continuation_logprob: float | None = None
    is_greedy: bool | None = None
    logprob: float | None = None
    served_by: str = ""
    raw_json: str = ""
    raw_json_is_cut: bool = False


class PromptTooLongError(WorkerError, ValueError):
    """A prompt and its completion are together longer than the model's maximum length."""

    reason = Reason.PROMPT_TOO_LONG


class Engine(Protocol):
    """A loaded model that completes prompts."""

    @property
    def independent_requests(self) -> bool:
        """Whether a completion does not depend on the group that its request is submitted in."""

    @property
    def max_in_flight(self) -> int:
        """Number of requests to keep submitted: twice the number that the engine runs at once."""

    @property
    def in_flight(self) -> int:
        """Number of submitted requests whose completions `poll` has not returned."""

    def submit(self, group: Sequence[Request]) -> None:
        """Queue a group of requests.

        Raises:
            ValueError: A prompt is empty. No request of the group is queued then.
            PromptTooLongError: A prompt is too long. No request of the group is queued then.
        """

    def poll(self) -> list[Completion]:
        """Run for a short time and return the completions that are finished, in any order.

        The list may be empty. If no request is in flight, it is empty and `poll` returns at once.

        Raises:
            DeviceMemoryError: The device's memory is exhausted.
        """

    def adapt(self, adapter: Adapter | None) -> None:
        """Use the base model with this adapter from now on, or without any if it is None.

        Call this method only when no request is in flight.

        Raises:
            AdapterError: The engine cannot serve the adapter.
            DeviceMemoryError: The device's memory does not hold the adapter.
        """

    def sleep(self) -> bool:
        """Free the memory of the GPU until `wake`, and keep the model in the memory of the host.

        Call this method only when no request is in flight. An engine on a CPU keeps its memory.

        Returns:
            Whether the engine sleeps. If it cannot, nothing has changed.
        """

    def wake(self) -> None:
        """End the sleep, so that the engine serves again.

        Raises:
            DeviceMemoryError: The device's memory does not hold the model any more.
        """

    def close(self) -> None:
        """Free the device. Further calls have no effect."""


class DeviceMemoryError(WorkerError, RuntimeError):
    """The device's memory is exhausted (exit code 80)."""

    reason = Reason.OUT_OF_DEVICE_MEMORY
