"""The reads of pods' progress by operators, and what the pods have answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .clock import monotonic


@dataclass(frozen=True, slots=True)
class Poll:
    """A read of the progress of a pod of a Job, by the Job's UID and name.

    If the pod has `answered`, there are the stage at work and the committed ones with their keys.
    """

    at: float
    job: str
    name: str
    answered: bool
    stage: str | None = None
    committed: tuple[tuple[str, str], ...] = ()


class PollLog:
    """Answers reads of progress, and notes them."""

    def __init__(
        self, answer: Callable[[str], Any], job_at: Callable[[str], tuple[str, str] | None]
    ) -> None:
        self._answer, self._job_at = answer, job_at
        self.polls: list[Poll] = []

    def answer(self, url: str) -> Any:
        """Return the answer of a pod, or the error of one that does not answer."""
        found = self._answer(url)
        job = self._job_at(url)
        if job is not None:
            is_answer = isinstance(found, dict)
            committed = found["committed"] if is_answer else ()
            steps = tuple((one["id"], one["key"]) for one in committed)
            stage = found["stage"] if is_answer else None
            self.polls.append(Poll(monotonic(), *job, is_answer, stage, steps))
        return found
