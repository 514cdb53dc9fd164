"""The reasons that conditions give, one constant each; what a worker names is added to them.

Workers and drivers name reasons of their own where they know better (`ModelNotFound`,
`SecretNotFound`, `Unschedulable`); these are the planner's.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a run is in the state that it is in."""

    PENDING = "Pending"
    """Nothing has begun yet."""
    RUNNING = "Running"
    """A stage is at work, or is started now."""
    STOPPING = "Stopping"
    """An attempt that is no longer wanted still occupies its stage."""
    RETRYING = "Retrying"
    """An attempt failed, and the next one follows shortly."""
    DISRUPTED = "Disrupted"
    """An attempt was ended from outside, and the next one follows; not counted."""
    WAITING_FOR_PEER = "WaitingForPeer"
    """Another run makes the same stage; this one adopts what it leaves."""
    SUCCEEDED = "Succeeded"
    """Everything is committed."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is true."""

    INVALID_INPUT = "InvalidInput"
    """Bad input: an input outside of the spec (Stalled), or one that a stage found (Failed)."""
    STORE_UNREACHABLE = "StoreUnreachable"
    """The store, or a source of inputs, did not answer for all of a worker's retries."""
    PREPARE_OVERDUE = "PrepareOverdue"
    """prepare did not end within its deadline; it is repeated."""
    NO_STORAGE = "NoStorage"
    """Neither the run nor the installation says where data goes."""
    FOLDER_STORAGE = "FolderStorage"
    """The run's storage is a folder, which only `isheep run` takes."""
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    """A ConfigMap that the spec names is not there."""

    INVALID_SPEC = "InvalidSpec"
    """The spec is not one that this operator can read; terminal until it is edited."""
    DEFECT = "Defect"
    """A worker ended with an error of its own making; terminal."""
    DISK_OR_IO = "DiskOrIO"
    """A disk, or the store's quota, was full, or an object was corrupt, on every attempt."""
    OUT_OF_MEMORY = "OutOfMemory"
    """Even an eighth of the usual batch did not fit the device."""
    RETRIES_EXCEEDED = "RetriesExceeded"
    """More attempts failed, for no reason that has a code of its own, than are allowed."""
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    """`spec.activeDeadlineSeconds` have passed."""
