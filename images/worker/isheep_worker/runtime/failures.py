"""How an order ends without a commit, and which exception ends it how.

A failure has an exit code, a reason and a message. The exit code decides what the driver does next
(retry, wait or stop; see `isheep.contract.explanations`). A `WorkerError` names its reason, and
the table below gives the reasons of errors from other packages. Every other exception is a defect,
and its message is shown only if it contains no generated text and no secret (`error_texts`).
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.order import ContractError, Outcome, StageResult
from isheep.contract.reasons import Reason
from isheep.store.interface import (
    StoreConditionError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    StoreUnreachableError,
    StoreVersionError,
)
from isheep_worker.runtime.device_failures import device_message, is_device_failure
from isheep_worker.runtime.error_texts import describe, system_message
from isheep_worker.runtime.errors import WorkerError

# The first class that matches decides, so a base class comes after its subclasses.
_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (ContractError, Reason.BAD_ORDER),
    (StoreUnreachableError, Reason.STORE_UNREACHABLE),
    (StoreRefusedError, Reason.STORE_REFUSED),
    (StoreCorruptError, Reason.STORE_CORRUPT),
    (StoreFullError, Reason.STORE_FULL),
    (StoreConditionError, Reason.STORE_IGNORES_CONDITIONS),
    (StoreVersionError, Reason.STORE_TOO_NEW),
    (StoreError, Reason.STORE_FAILED),
)
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})

# Libraries in other languages report a full disk by their own exceptions with this text.
_NO_SPACE = os.strerror(errno.ENOSPC)


@dataclass(frozen=True, slots=True)
class Failure:
    """How an order ended without a commit.

    `exit_code` is an `ExitCode`, or 128 plus the number of the signal that ended a process.
    """

    exit_code: int
    reason: Reason
    message: str

    @classmethod
    def of(cls, reason: Reason, message: str) -> Self:
        """Return a failure with the exit code of its reason.

        Raises `ValueError` if the reason itself has no exit code, such as `Reason.KILLED`.
        """
        exit_code = EXPLANATIONS[reason].exit_code
        if exit_code is None:
            raise ValueError(f"the reason {reason} has no exit code")
        return cls(exit_code, reason, message)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return the failure that `dataclasses.asdict` made the document from."""
        return cls(document["exit_code"], Reason(document["reason"]), document["message"])


class ProcessFailedError(Exception):
    """A process that this process started has failed, and has reported how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def failed(failure: Failure) -> StageResult:
    """Return the result that reports a failure."""
    return StageResult(
        outcome=Outcome.FAILED,
        exit_code=failure.exit_code,
        reason=failure.reason,
        message=failure.message,
    )


def ended_by_signal(process: str, number: int) -> Failure:
    """Return the failure of a process that a signal ended; `process` is its name in the message."""
    message = f"{process} was ended by {signal.Signals(number).name}"
    if number == signal.SIGKILL:
        remedy = EXPLANATIONS[Reason.KILLED].remedy
        message += f", most likely because the pod's memory limit was reached: {remedy}"
    return Failure(128 + number, Reason.KILLED, message)


def failure_of(error: BaseException) -> Failure:
    """Return how an order ends that this exception ended."""
    if isinstance(error, ProcessFailedError):
        return error.failure
    reason = _reason_of(error)
    if reason is not None:
        return Failure.of(reason, str(error))
    if (disk := _disk_message(error)) is not None:
        return Failure.of(Reason.DISK_FAILED, f"{disk}: free some space or use another disk")
    if is_device_failure(error):
        return Failure.of(Reason.DEVICE_FAILED, device_message(error) or describe(error))
    return Failure.of(Reason.DEFECT, describe(error))


def _disk_message(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return system_message(error)
    return _NO_SPACE if _NO_SPACE in str(error) else None


def _reason_of(error: BaseException) -> Reason | None:
    if isinstance(error, WorkerError):
        return error.reason
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), None)
