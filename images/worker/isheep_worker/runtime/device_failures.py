"""Detection of a device, or an engine's process, that has failed: another attempt may succeed.

A GPU with a memory error, a lost link between GPUs, and a core of an engine that was killed have
nothing to do with the input. Each library reports them with its own classes and messages, and vLLM
reports only that its core "encountered an issue". A worker that ends this way is retried like a
killed one, and the number of retries is limited. Exhausted memory is not one of these failures: it
needs a smaller batch (see `engines.memory`).
"""

from __future__ import annotations

from isheep_worker.runtime.error_texts import first_line
from isheep_worker.runtime.errors import causes

_CLASSES = frozenset(
    {
        # vLLM
        "EngineDeadError",
        # torch: errors of the device, and of the communication between devices
        "AcceleratorError",
        "DistBackendError",
        "DistNetworkError",
        "DistStoreError",
    }
)

# torch raises RuntimeError, and vLLM's client raises Exception, for what another process reports.
_TYPES = (RuntimeError, Exception)

# Substrings of the messages of CUDA, ROCm, NCCL and vLLM, in lower case.
_MESSAGES = (
    "cuda error:",
    "hip error:",
    "cuda driver error",
    "ecc error",
    "illegal memory access",
    "nccl error",
    "nccl watchdog",
    "ncclsystemerror",
    "ncclinternalerror",
    "ncclremoteerror",
    "cublas_status_execution_failed",
    "cublas_status_internal_error",
    "cudnn_status_execution_failed",
    "enginecore encountered an issue",
    "engine core proc died",
    "engine core processes died",
    "worker proc died unexpectedly",
    "workerproc hit an exception",
    "cancelled by the collective operation timeout",
    "fell off the bus",
    "has fallen off the bus",
)


def says_device_failed(text: str) -> bool:
    """Return whether a message, or the tail of a log, reports a failed device or engine process."""
    lowered = text.lower()
    return any(message in lowered for message in _MESSAGES) or _is_rpc_timeout(lowered)


def is_device_failure(error: BaseException) -> bool:
    """Return whether an exception, or one of its causes, reports a failed device or engine."""
    return any(
        type(cause).__name__ in _CLASSES or says_device_failed(str(cause))
        for cause in causes(error)
    )


def device_message(error: BaseException) -> str | None:
    """Return the type and the first line of the exception that reports the failed device.

    Only torch and vLLM raise the types that are shown, for devices and processes. The message of
    another type, such as `ValueError`, can quote a generated text, so the result is then None.
    """
    for cause in causes(error):
        of_device = type(cause).__name__ in _CLASSES
        line = first_line(str(cause))
        if of_device or (type(cause) in _TYPES and says_device_failed(line)):
            return f"{type(cause).__name__}: {line}" if line else type(cause).__name__
    return None


def _is_rpc_timeout(lowered: str) -> bool:
    """Return whether a process of tensor parallelism did not answer vLLM in time."""
    return "rpc call to" in lowered and "timed out" in lowered
