"""What an exception means: an exit code, a reason and a message.

The codes decide what happens next (retry, wait or give up; see
`isheep.contract.order.ExitCode`), so an exception stands in this table because of what its
reader should do, not because of where it arose. What nobody expected is a defect.
"""

from __future__ import annotations

import errno
import os

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep.store.interface import (
    StoreConditionError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
    StoreVersionError,
)
from isheep_worker.curation.decontamination import BenchmarkError
from isheep_worker.engines.adapter import AdapterError
from isheep_worker.engines.interface import DeviceMemoryError, PromptTooLongError
from isheep_worker.inputs.model_files import ModelFilesError
from isheep_worker.inputs.seed_tasks import SeedTaskError
from isheep_worker.runtime.orders import (
    BadInputError,
    Failure,
    PeerLostError,
    ProcessFailedError,
    SourceUnreachableError,
    StoppedError,
)
from isheep_worker.scoring.expected import LowLabelMassError
from isheep_worker.templates.chat import ChatFormatError
from isheep_worker.templates.library import PromptTemplateError
from isheep_worker.training.sft import TrainingDivergedError, TrainingInputError

# The first that fits decides. The named classes are the reasons that status shows.
_FAILURES: tuple[tuple[type[BaseException], ExitCode, str], ...] = (
    (StoppedError, ExitCode.STOPPED, "Stopped"),
    (StoreUnreachableError, ExitCode.UNREACHABLE, "StoreUnreachable"),
    (SourceUnreachableError, ExitCode.UNREACHABLE, "SourceUnreachable"),
    (PeerLostError, ExitCode.UNREACHABLE, "PeerUnreachable"),
    (StoreCorruptError, ExitCode.DISK, "StoreCorrupt"),
    (StoreFullError, ExitCode.DISK, "StoreFull"),
    (StoreConditionError, ExitCode.BAD_INPUT, "StoreIgnoresConditions"),
    (StoreVersionError, ExitCode.BAD_INPUT, "StoreTooNew"),
    (StoreError, ExitCode.DISK, "StoreFailed"),
    (DeviceMemoryError, ExitCode.DEVICE_MEMORY, "OutOfDeviceMemory"),
    (ContractError, ExitCode.BAD_INPUT, "BadOrder"),
    (BadInputError, ExitCode.BAD_INPUT, "BadInput"),
    (SeedTaskError, ExitCode.BAD_INPUT, "BadSeedTasks"),
    (BenchmarkError, ExitCode.BAD_INPUT, "BadBenchmark"),
    (PromptTemplateError, ExitCode.BAD_INPUT, "BadTemplate"),
    (ChatFormatError, ExitCode.BAD_INPUT, "BadModel"),
    (ModelFilesError, ExitCode.BAD_INPUT, "BadModel"),
    (AdapterError, ExitCode.BAD_INPUT, "BadAdapter"),
    (PromptTooLongError, ExitCode.BAD_INPUT, "PromptTooLong"),
    (LowLabelMassError, ExitCode.BAD_INPUT, "LowLabelMass"),
    (TrainingInputError, ExitCode.BAD_INPUT, "BadTrainingData"),
    (TrainingDivergedError, ExitCode.BAD_INPUT, "TrainingDiverged"),
)
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})

# Libraries in other languages raise errors of their own for it.
_NO_SPACE = os.strerror(errno.ENOSPC)


def failure_of(error: BaseException) -> Failure:
    """Return how an order ends that this exception ended."""
    if isinstance(error, ProcessFailedError):
        return error.failure
    for kind, exit_code, reason in _FAILURES:
        if isinstance(error, kind):
            return Failure(exit_code, reason, str(error))
    if (isinstance(error, OSError) and error.errno in _DISK_ERRORS) or _NO_SPACE in str(error):
        return Failure(ExitCode.DISK, "DiskFailed", f"{error}: free some space or use another disk")
    line = str(error).strip().partition("\n")[0]
    return Failure(
        ExitCode.DEFECT,
        "Defect",
        f"{type(error).__name__}: {line}" if line else type(error).__name__,
    )
