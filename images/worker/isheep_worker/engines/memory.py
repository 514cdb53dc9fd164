"""Telling exhausted device memory from every other failure.

Each layer says it in its own way: torch with an exception class, the CPU allocator
with a RuntimeError, vLLM with ValueErrors about its KV cache. What all of them need is
the same remedy (a smaller batch, a shorter length, a bigger device), so they become one
`DeviceMemoryError` and one exit code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from isheep_worker.engines.interface import DeviceMemoryError

# Parts of messages of torch (CUDA and CPU) and of vLLM, lower-cased.
_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "no available memory for the cache blocks",
    "is larger than the available kv cache memory",
    "is needed, which is larger than the available kv cache",
    "less than desired gpu memory utilization",
    "is less than requested memory for kv",
)


def says_out_of_memory(text: str) -> bool:
    """Tell whether a message, or the tail of a log, speaks of exhausted device memory."""
    lowered = text.lower()
    return any(sign in lowered for sign in _SIGNS)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an exception, or one that it was raised from, is about device memory."""
    while error is not None:
        if isinstance(error, DeviceMemoryError | MemoryError) or says_out_of_memory(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def device_memory_errors(doing: str) -> Iterator[None]:
    """Raise `DeviceMemoryError` in the place of every exception that means it."""
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceMemoryError(
            f"device memory exhausted while {doing}: lower engine.vllm.maxModelLength or "
            f"maxTokens, or use a device with more memory ({error})"
        ) from error
