"""The worker's log: structured lines on stderr, in the operator's format (`isheep.logs`).

A log line contains ids, counts, seconds and the messages of errors, and never a secret or
generated text. A traceback therefore has only those messages of exceptions that `error_texts`
shows.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from isheep.contract.order import StageOrder, Step
from isheep.logs import JsonFormatter, TextFormatter, log_event, stage_fields
from isheep_worker.runtime.error_texts import describe

FORMAT_VARIABLE = "ISHEEP_LOG_FORMAT"
"""`json` for one JSON object a line; any other value, or none, for text."""
_PACKAGES = ("isheep", "isheep_worker")


def log_to_stderr(environment: Mapping[str, str] = os.environ) -> None:
    """Log to stderr: our own packages from INFO on, libraries from WARNING on."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # a log has no use for libraries' progress bars
    handler = logging.StreamHandler(sys.stderr)
    as_json = environment.get(FORMAT_VARIABLE) == "json"
    handler.setFormatter(_ShortJsonFormatter() if as_json else _ShortTextFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for package in _PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO)
    # Python's own hooks would write the complete messages of uncaught exceptions.
    sys.excepthook = lambda _kind, error, _traceback: _log_uncaught(error)
    threading.excepthook = lambda thread: _log_uncaught(thread.exc_value)


def log_stage(
    logger: logging.Logger, message: str, order: StageOrder, step: Step, /, **fields: object
) -> None:
    """Log a line about a stage at INFO, with the stage's id, run, attempt and key."""
    log_event(
        logger,
        logging.INFO,
        message,
        **stage_fields(
            namespace=order.run.namespace,
            run=order.run.name,
            stage=step.id,
            attempt=order.attempt,
            key=step.key,
        ),
        **fields,
    )


def _log_uncaught(error: BaseException | None) -> None:
    if isinstance(error, Exception):
        logging.getLogger(__name__).error("uncaught exception:", exc_info=error)


class _ShortExceptions(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 (logging's name)
        return short_traceback(ei[1])


class _ShortTextFormatter(_ShortExceptions, TextFormatter): ...


class _ShortJsonFormatter(_ShortExceptions, JsonFormatter): ...


def short_traceback(error: BaseException) -> str:
    """Return the traceback of an exception and of its causes, with their safe messages."""
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    own = f"Traceback (most recent call last):\n{frames}\n{describe(error, place=False)}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return own if cause is None else f"{short_traceback(cause)}\n\nwhich led to\n\n{own}"
