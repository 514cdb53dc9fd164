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
def test_all_layers_words_for_it_become_one_error(message: str, kind: type[Exception]):
    with (
        pytest.raises(DeviceMemoryError, match="while loading m"),
        device_memory_errors("loading m"),
    ):
        raise kind(message)


def test_torch_and_python_have_classes_for_it():
    for error in (torch.OutOfMemoryError("CUDA out of memory"), MemoryError()):
        with pytest.raises(DeviceMemoryError), device_memory_errors("x"):
            raise error


def test_the_reason_may_be_further_down():
    error = RuntimeError("engine failed")
    error.__cause__ = RuntimeError(MESSAGES[0])
    with pytest.raises(DeviceMemoryError), device_memory_errors("x"):
        raise error


def test_other_errors_stay_what_they_are():
    with pytest.raises(ValueError, match="shape"), device_memory_errors("x"):
        raise ValueError("shape")


def test_log_tails():
    assert says_out_of_memory("INFO ok\nERROR torch.OutOfMemoryError: CUDA out of memory.\n")
    assert not says_out_of_memory("INFO memory 90% used")
