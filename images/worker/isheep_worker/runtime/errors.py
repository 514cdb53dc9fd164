"""The base class of the worker's errors, and the errors that several packages raise.

Each error class names the reason that a worker ends with when the error is not caught. The
reason decides the exit code, and with it whether the driver retries, waits or stops (see
`isheep.contract.explanations`). An error of one package is defined in that package. This module is
below all other packages of the worker, so every package can import the base class, and
`failures` can read the reason without importing any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from isheep.contract.reasons import Reason


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, its cause, the cause of that, and so on; at most 20, because of circles.

    Libraries raise their own errors, with the informative one as the cause or the context.
    """
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


class WorkerError(Exception):
    """An error with a known reason; the message names the place and the remedy."""

    reason: ClassVar[Reason] = Reason.DEFECT


class BadInputError(WorkerError, ValueError):
    """An input of the user cannot be used; the message names the input and the remedy."""

    reason = Reason.BAD_INPUT


class SourceUnreachableError(WorkerError, RuntimeError):
    """The location of an input does not answer; the message names the location."""

    reason = Reason.SOURCE_UNREACHABLE


class SourceRefusedError(BadInputError):
    """The location of an input does not accept the credential; the message names the credential."""

    reason = Reason.SOURCE_REFUSED


class StoppedError(WorkerError):
    """A stop was requested, and the worker has reached a safe point."""

    reason = Reason.STOPPED


class PeerLostError(WorkerError, RuntimeError):
    """Another process of the same training has ended or does not answer."""

    reason = Reason.PEER_UNREACHABLE
