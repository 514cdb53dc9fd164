"""Failed devices and engine processes are recognized, and everything else is not."""

from __future__ import annotations

import pytest
import torch
from torch.distributed import DistBackendError, DistNetworkError

from isheep_worker.runtime.device_failures import is_device_failure, says_device_failed

MESSAGES = [
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be reported",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: unspecified launch failure",
    "HIP error: the operation cannot be performed in the present state",
    "NCCL error in: ProcessGroupNCCL.cpp:3699, unhandled system error, NCCL version 2.29.3",
    "[Rank 1] Some NCCL operations have failed: Watchdog; NCCL watchdog thread terminated",
    "RPC call to sample_tokens timed out.",
    "EngineCore encountered an issue. See stack trace (above) for the root cause.",
    "ERROR Worker proc VllmWorker-1 died: Worker proc died unexpectedly",
    "NVRM: Xid (PCI:0000:17:00): 79, GPU has fallen off the bus.",
]
OTHERS = [
    "CUDA out of memory. Tried to allocate 20.00 MiB",
    "ValueError: the model has no chat template",
    "the shapes (3, 4) and (5, 6) do not match",
    "NCCL version 2.29.3+cuda13.0",
    "HTTP call to the store timed out",
    "",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_of_failed_devices_are_recognized(message: str) -> None:
    assert says_device_failed(f"INFO start\n{message}\n")
    assert is_device_failure(RuntimeError(message))


@pytest.mark.parametrize("message", OTHERS)
def test_other_messages_are_not(message: str) -> None:
    assert not says_device_failed(message)
    assert not is_device_failure(RuntimeError(message))


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("x"),
        DistBackendError("x"),
        DistNetworkError("x"),
    ],
)
def test_the_exception_classes_of_torch_are_recognized(error: Exception) -> None:
    assert is_device_failure(error)


@pytest.mark.xdist_group("vllm")
def test_the_exception_class_of_vllm_is_recognized() -> None:
    # An import of vLLM takes seconds, and each pytest worker imports this file.
    from vllm.v1.engine.exceptions import EngineDeadError

    assert is_device_failure(EngineDeadError())


def test_a_cause_is_enough() -> None:
    error = RuntimeError("the step failed")
    error.__cause__ = torch.AcceleratorError("x")
    assert is_device_failure(error)


def test_a_circle_of_causes_ends() -> None:
    error = RuntimeError("a")
    error.__context__ = RuntimeError("b")
    error.__context__.__context__ = error
    assert not is_device_failure(error)
