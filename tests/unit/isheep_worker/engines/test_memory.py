"""Exhausted device memory is recognized in the errors of all libraries."""

import pytest
import torch

from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.engines.memory import device_memory_errors, says_out_of_memory

MESSAGES = [
    "CUDA out of memory. Tried to allocate 20.00 MiB",
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes",
    "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
    "Available memory on node 0 (1/2 GiB) on kv cache allocation is less than requested "
    "memory for kv (3 GiB)",
    "To serve at least one request with the models's max seq len (8192), (7.0 GiB KV cache is "
    "needed, which is larger than the available KV cache memory (1.0 GiB)",
]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_the_messages_of_all_libraries_become_the_same_error(message: str, kind: type[Exception]):
    with (
        pytest.raises(DeviceMemoryError, match="while loading m"),
        device_memory_errors("loading m"),
    ):
        raise kind(message)


def test_the_exception_classes_of_torch_and_python_become_the_same_error():
    for error in (torch.OutOfMemoryError("CUDA out of memory"), MemoryError()):
        with pytest.raises(DeviceMemoryError), device_memory_errors("x"):
            raise error


def test_the_message_may_be_that_of_a_cause():
    error = RuntimeError("engine failed")
    error.__cause__ = RuntimeError(MESSAGES[0])
    with pytest.raises(DeviceMemoryError), device_memory_errors("x"):
        raise error


def test_other_errors_are_not_changed():
    with pytest.raises(ValueError, match="shape"), device_memory_errors("x"):
        raise ValueError("shape")


def test_the_message_is_recognized_in_the_tail_of_a_log():
    assert says_out_of_memory("INFO ok\nERROR torch.OutOfMemoryError: CUDA out of memory.\n")
    assert not says_out_of_memory("INFO memory 90% used")
