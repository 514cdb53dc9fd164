"""Detection of exhausted device memory among other failures.

Each library reports exhausted memory differently: torch raises its own exception class, the CPU
allocator raises a RuntimeError, and vLLM raises ValueErrors about its KV cache. The remedy is the
same (a smaller batch, a shorter length, a larger device). Therefore all these errors become one
`DeviceMemoryError` with one exit code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.runtime.errors import causes

# Substrings of the messages of torch (CUDA and CPU) and of vLLM, in lower case.
_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "no available memory for the cache blocks",
    "is larger than the available kv cache memory",
    "is needed, which is larger than the available kv cache",
    "less than desired gpu memory utilization",
    "is less than requested memory for kv",
)


def says_out_of_memory(text: str) -> bool:
    """Return whether a message, or the tail of a log, reports exhausted device memory."""
    lowered = text.lower()
    return any(message in lowered for message in _MESSAGES)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an exception, or one of its causes, reports exhausted device memory."""
    return any(
        isinstance(cause, DeviceMemoryError | MemoryError) or says_out_of_memory(str(cause))
        for cause in causes(error)
    )


@contextmanager
def device_memory_errors(doing: str) -> Iterator[None]:
    """Replace each exception that reports exhausted device memory by a `DeviceMemoryError`.

    Args:
        doing: The activity for the message, such as `generating`.

    Raises:
        DeviceMemoryError: The body ran out of device memory.
    """
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceMemoryError(
            f"device memory exhausted while {doing}: lower engine.vllm.maxModelLength or "
            f"maxTokens, or use a device with more memory ({error})"
        ) from error
