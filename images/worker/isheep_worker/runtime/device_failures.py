"""Detection of a device, or an engine's process, that has failed: another attempt may succeed.

A GPU with a memory error, a lost link between GPUs, and a core of an engine that was killed have
nothing to do with the input. Each library reports them with its own classes and messages, and vLLM
reports only that its core "encountered an issue". A worker that ends this way is retried like a
killed one, and the number of retries is limited. Exhausted memory is not one of these failures: it
needs a smaller batch (see `engines.memory`).
"""

from __future__ import annotations

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


def _is_rpc_timeout(lowered: str) -> bool:
    """Return whether vLLM waited in vain for a process of tensor parallelism."""
    return "rpc call to" in lowered and "timed out" in lowered
