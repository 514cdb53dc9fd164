"""What an error is called on the command line, and with which code it leaves.

The same codes as the worker's. An error that nobody expected is a defect of ours,
and says so; its traceback is shown with `--debug`.
"""

from __future__ import annotations

import errno

from isheep.api.loader import SpecError
from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep.local.devices import TooFewDevicesError
from isheep.local.lock import RunBusyError
from isheep.store.interface import (
    StoreConditionError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
)


class BadInputError(ValueError):
    """What the user gave cannot be used; the message names it and the remedy."""


# The first that fits decides.
_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (BadInputError, ExitCode.BAD_INPUT),
    (SpecError, ExitCode.BAD_INPUT),
    (RunBusyError, ExitCode.BAD_INPUT),
    (TooFewDevicesError, ExitCode.BAD_INPUT),
    (ContractError, ExitCode.BAD_INPUT),
    (StoreUnreachableError, ExitCode.UNREACHABLE),
    (StoreCorruptError, ExitCode.DISK),
    (StoreFullError, ExitCode.DISK),
    (StoreConditionError, ExitCode.BAD_INPUT),
    (StoreError, ExitCode.DISK),
)
_INPUT_ERRORS = frozenset({errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM})


def told(error: BaseException) -> tuple[str, ExitCode]:
    """Return the message and the exit code of an error that ends a command."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped on request", ExitCode.STOPPED
    for kind, code in _CODES:
        if isinstance(error, kind):
            return str(error), code
    if isinstance(error, OSError):
        code = ExitCode.BAD_INPUT if error.errno in _INPUT_ERRORS else ExitCode.DISK
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return what, code
    line = str(error).strip().partition("\n")[0]
    return (
        f"a defect in isheep: {type(error).__name__}: {line}\n"
        "Run it again with `isheep --debug …` for the traceback, and report it with that",
        ExitCode.DEFECT,
    )
