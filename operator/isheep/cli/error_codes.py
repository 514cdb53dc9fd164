"""The message and the exit code of every error that ends a command.

The exit codes are those of the worker. An error that is not in the table is a defect of isheep,
and its message states this; `--debug` shows its traceback. This module imports the modules of all
errors, so `isheep.cli.app` imports it only after a command failed.
"""

from __future__ import annotations

import errno
import sys

from isheep.api.reading.loader import SpecError
from isheep.cli.terminal.command_line import command_line
from isheep.cli.terminal.errors import BadInputError, UnreachableError
from isheep.cluster.errors import ClusterError, ClusterUnreachableError
from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep.local.devices import TooFewDevicesError
from isheep.local.lock import RunBusyError
from isheep.store.interface import (
    StoreConditionError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    StoreUnreachableError,
)

_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (BadInputError, ExitCode.BAD_INPUT),
    (UnreachableError, ExitCode.UNREACHABLE),
    (ClusterError, ExitCode.BAD_INPUT),
    (ClusterUnreachableError, ExitCode.UNREACHABLE),
    (SpecError, ExitCode.BAD_INPUT),
    (RunBusyError, ExitCode.BAD_INPUT),
    (TooFewDevicesError, ExitCode.BAD_INPUT),
    (ContractError, ExitCode.BAD_INPUT),
    (StoreUnreachableError, ExitCode.UNREACHABLE),
    (StoreCorruptError, ExitCode.DISK),
    (StoreFullError, ExitCode.DISK),
    (StoreConditionError, ExitCode.BAD_INPUT),
    (StoreRefusedError, ExitCode.BAD_INPUT),
    (StoreError, ExitCode.DISK),
)
"""The first row whose class matches decides, so subclasses come before `StoreError`."""
_INPUT_ERRORS = frozenset({errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM})


def begins_with_place(error: BaseException) -> bool:
    """Return whether each line of the error's message begins with `file:line:column:`.

    Editors and CI systems find the place only if nothing is before it.
    """
    return isinstance(error, SpecError)


def message_and_code(error: BaseException) -> tuple[str, ExitCode]:
    """Return the message and the exit code of an error that ends a command."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped on request", ExitCode.STOPPED
    for kind, code in _CODES:
        if isinstance(error, kind):
            return str(error), code
    if isinstance(error, OSError):
        code = ExitCode.BAD_INPUT if error.errno in _INPUT_ERRORS else ExitCode.DISK
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return message, code
    line = str(error).strip().partition("\n")[0]
    return (
        f"a defect in isheep: {type(error).__name__}: {line}\n"
        f"Run `{command_line('--debug', *sys.argv[1:])}` to see the traceback, and report the "
        "defect with it",
        ExitCode.DEFECT,
    )
