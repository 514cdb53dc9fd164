from __future__ import annotations

import errno

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep.store.interface import (
    NoSuchKeyError,
    StoreConditionError,
    StoreCorruptError,
    StoreFullError,
    StoreUnreachableError,
    StoreVersionError,
)
from isheep_worker.engines.adapter import AdapterError
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.inputs.model_files import ModelFilesError
from isheep_worker.inputs.seed_tasks import SeedTaskError
from isheep_worker.runtime.failures import failure_of
from isheep_worker.runtime.orders import BadInputError, SourceUnreachableError, StoppedError
from isheep_worker.scoring.expected import LowLabelMassError
from isheep_worker.training.sft import TrainingDivergedError, TrainingInputError


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (StoreUnreachableError("x"), ExitCode.UNREACHABLE),
        (SourceUnreachableError("x"), ExitCode.UNREACHABLE),
        (StoreCorruptError("x"), ExitCode.DISK),
        (StoreFullError("x"), ExitCode.DISK),
        (NoSuchKeyError("x"), ExitCode.DISK),
        (StoreConditionError("x"), ExitCode.BAD_INPUT),
        (StoreVersionError("x"), ExitCode.BAD_INPUT),
        (BadInputError("x"), ExitCode.BAD_INPUT),
        (SeedTaskError("x"), ExitCode.BAD_INPUT),
        (LowLabelMassError("x"), ExitCode.BAD_INPUT),
        (ModelFilesError("x"), ExitCode.BAD_INPUT),
        (ContractError("x"), ExitCode.BAD_INPUT),
        (AdapterError("x"), ExitCode.BAD_INPUT),
        (TrainingInputError("x"), ExitCode.BAD_INPUT),
        (TrainingDivergedError("x"), ExitCode.BAD_INPUT),
        (DeviceMemoryError("x"), ExitCode.DEVICE_MEMORY),
        (StoppedError("x"), ExitCode.STOPPED),
        (OSError(errno.ENOSPC, "no space left"), ExitCode.DISK),
        (RuntimeError("Error: I/O error: No space left on device (os error 28)"), ExitCode.DISK),
        (OSError(errno.EACCES, "refused"), ExitCode.DEFECT),
        (KeyError("x"), ExitCode.DEFECT),
    ],
)
def test_every_exception_has_its_code(error: BaseException, exit_code: ExitCode) -> None:
    assert failure_of(error).exit_code == exit_code


def test_a_defect_is_told_in_one_line() -> None:
    assert failure_of(RuntimeError("first\nsecond")).message == "RuntimeError: first"
    assert failure_of(AssertionError()).message == "AssertionError"
