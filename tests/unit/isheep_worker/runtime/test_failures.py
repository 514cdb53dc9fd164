from __future__ import annotations

import errno
import signal
from dataclasses import asdict
from pathlib import Path

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError
from isheep.contract.reasons import Reason
from isheep.store.interface import (
    NoSuchKeyError,
    StoreConditionError,
    StoreCorruptError,
    StoreFullError,
    StoreRefusedError,
    StoreUnreachableError,
    StoreVersionError,
)
from isheep_worker.curation.decontamination import BenchmarkError
from isheep_worker.engines.adapter import AdapterError
from isheep_worker.engines.interface import DeviceMemoryError, PromptTooLongError
from isheep_worker.inputs.model_files import ModelFilesError
from isheep_worker.inputs.seed_tasks import SeedTaskError
from isheep_worker.runtime.errors import (
    BadInputError,
    PeerLostError,
    SourceUnreachableError,
    StoppedError,
    WorkerError,
)
from isheep_worker.runtime.failures import (
    Failure,
    ProcessFailedError,
    ended_by_signal,
    failed,
    failure_of,
)
from isheep_worker.scoring.expected import LowLabelMassError
from isheep_worker.templates.chat import ChatFormatError
from isheep_worker.templates.library import PromptTemplateError
from isheep_worker.training.outcome import TrainingDivergedError, TrainingInputError


@pytest.mark.parametrize(
    ("error", "exit_code", "reason"),
    [
        (StoreUnreachableError("x"), ExitCode.UNREACHABLE, "StoreUnreachable"),
        (StoreRefusedError("x"), ExitCode.BAD_INPUT, "StoreRefused"),
        (SourceUnreachableError("x"), ExitCode.UNREACHABLE, "SourceUnreachable"),
        (PeerLostError("x"), ExitCode.UNREACHABLE, "PeerUnreachable"),
        (StoreCorruptError("x"), ExitCode.DISK, "StoreCorrupt"),
        (StoreFullError("x"), ExitCode.DISK, "StoreFull"),
        (NoSuchKeyError("x"), ExitCode.DISK, "StoreFailed"),
        (StoreConditionError("x"), ExitCode.BAD_INPUT, "StoreIgnoresConditions"),
        (StoreVersionError("x"), ExitCode.BAD_INPUT, "StoreTooNew"),
        (ContractError("x"), ExitCode.BAD_INPUT, "BadOrder"),
        (BadInputError("x"), ExitCode.BAD_INPUT, "BadInput"),
        (SeedTaskError("x"), ExitCode.BAD_INPUT, "BadSeedTasks"),
        (BenchmarkError("x"), ExitCode.BAD_INPUT, "BadBenchmark"),
        (PromptTemplateError("x"), ExitCode.BAD_INPUT, "BadTemplate"),
        (ChatFormatError("x"), ExitCode.BAD_INPUT, "BadModel"),
        (ModelFilesError("x"), ExitCode.BAD_INPUT, "BadModel"),
        (AdapterError("x"), ExitCode.BAD_INPUT, "BadAdapter"),
        (PromptTooLongError("x"), ExitCode.BAD_INPUT, "PromptTooLong"),
        (LowLabelMassError("x"), ExitCode.BAD_INPUT, "LowLabelMass"),
        (TrainingInputError("x"), ExitCode.BAD_INPUT, "BadTrainingData"),
        (TrainingDivergedError("x"), ExitCode.BAD_INPUT, "TrainingDiverged"),
        (DeviceMemoryError("x"), ExitCode.DEVICE_MEMORY, "OutOfDeviceMemory"),
        (StoppedError("x"), ExitCode.STOPPED, "Stopped"),
        (OSError(errno.ENOSPC, "no space left"), ExitCode.DISK, "DiskFailed"),
        (
            RuntimeError("Error: I/O error: No space left on device (os error 28)"),
            ExitCode.DISK,
            "DiskFailed",
        ),
        (OSError(errno.EACCES, "refused"), ExitCode.DEFECT, "Defect"),
        (KeyError("x"), ExitCode.DEFECT, "Defect"),
        (RuntimeError("CUDA error: uncorrectable ECC error"), ExitCode.DISK, "DeviceFailed"),
        (WorkerError("x"), ExitCode.DEFECT, "Defect"),
    ],
)
def test_each_exception_has_an_exit_code_and_a_reason(
    error: BaseException, exit_code: ExitCode, reason: str
) -> None:
    failure = failure_of(error)
    assert (failure.exit_code, failure.reason) == (exit_code, reason)


def test_an_error_with_a_reason_keeps_its_message() -> None:
    assert failure_of(BadInputError("model: none\nset one")).message == "model: none\nset one"


def test_the_message_of_a_defect_has_no_text_of_another_library() -> None:
    quoting = ValueError("could not convert string to float: 'a generated text'")
    assert failure_of(quoting).message == "ValueError (message not shown)"
    assert failure_of(AssertionError()).message == "AssertionError"
    assert failure_of(WorkerError("first\nsecond")).message == "first\nsecond"


def test_the_message_of_a_failed_device_is_that_of_the_device() -> None:
    device = RuntimeError("CUDA error: uncorrectable ECC error\nCompile with TORCH_USE_CUDA_DSA")
    error = ValueError("a generated text")
    error.__cause__ = device
    for found in (device, error):
        assert failure_of(found).message == "RuntimeError: CUDA error: uncorrectable ECC error"
    quoting = failure_of(ValueError("'CUDA error: ' is not a number"))
    assert quoting.message == "ValueError (message not shown)"


def test_the_message_of_a_full_disk_names_the_path_and_no_other_text(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "part-0"))
    advice = "free some space or use another disk"
    expected = f"No space left on device: {tmp_path}/part-0: {advice}"
    assert failure_of(full).message == expected
    library = RuntimeError("No space left on device (os error 28) while writing 'a generated text'")
    assert failure_of(library).message == f"No space left on device: {advice}"


def test_the_failure_of_another_process_is_kept() -> None:
    failure = Failure.of(Reason.DISK_FAILED, "full")
    assert failure_of(ProcessFailedError(failure)) == failure


def test_a_failure_is_read_from_its_document() -> None:
    failure = ended_by_signal("process 1", signal.SIGKILL)
    assert Failure.from_document(asdict(failure)) == failure


def test_a_signal_gives_128_plus_its_number_and_sigkill_a_remedy() -> None:
    killed = ended_by_signal("the worker", signal.SIGKILL)
    assert (killed.exit_code, killed.reason) == (137, Reason.KILLED)
    assert killed.message == (
        "the worker was ended by SIGKILL, most likely because the pod's memory limit was reached: "
        "raise resources.limits.memory of its pool in spec.compute"
    )
    crashed = ended_by_signal("the worker", signal.SIGSEGV)
    assert (crashed.exit_code, crashed.message) == (139, "the worker was ended by SIGSEGV")


def test_a_reason_without_an_exit_code_is_refused() -> None:
    with pytest.raises(ValueError, match="Killed has no exit code"):
        Failure.of(Reason.KILLED, "x")


def test_a_failure_becomes_a_failed_result() -> None:
    result = failed(Failure.of(Reason.BAD_ORDER, "no order"))
    assert (result.outcome, result.exit_code) == ("Failed", ExitCode.BAD_INPUT)
    assert (result.reason, result.message) == ("BadOrder", "no order")
