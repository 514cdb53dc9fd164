"""Every reason that a run, a stage, a pod or a worker can end or wait with.

`contract.explanations` has the meaning and the remedy of each reason. A test fails if code uses a
reason as a text, or if a reason has no explanation.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a run, a stage, a pod or a worker is in its state; the value is the reason in status."""

    # The run makes progress or waits for its turn.
    PENDING = "Pending"
    RUNNING = "Running"
    STARTING = "Starting"
    STOPPING = "Stopping"
    SIDECAR_RUNNING = "SidecarRunning"
    RETRYING = "Retrying"
    DISRUPTED = "Disrupted"
    NODE_LOST = "NodeLost"
    QUEUED = "Queued"
    PREEMPTED = "Preempted"
    WAITING_FOR_PEER = "WaitingForPeer"
    WAITING_FOR_STORE = "WaitingForStore"
    RUN_LIMIT = "RunLimit"
    GUARD_ALARM = "GuardAlarm"
    SUCCEEDED = "Succeeded"
    STOPPED_EARLY = "StoppedEarly"
    NO_IMPROVEMENT = "NoImprovement"
    SUSPENDED = "Suspended"
    FINISHED = "Finished"
    TTL_DISABLED = "TtlDisabled"
    TTL_TRACKED = "TtlTracked"

    # Kubernetes does not start what the run needs.
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 (a reason, no secret)
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound"
    VOLUME_NOT_FOUND = "VolumeNotFound"
    RESOURCE_CLAIM_NOT_CREATED = "ResourceClaimNotCreated"
    PRIORITY_CLASS_NOT_FOUND = "PriorityClassNotFound"
    RUNTIME_CLASS_NOT_FOUND = "RuntimeClassNotFound"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    QUOTA_EXCEEDED = "QuotaExceeded"
    LIMIT_RANGE_VIOLATED = "LimitRangeViolated"
    POD_SECURITY_VIOLATED = "PodSecurityViolated"
    PODS_NOT_CREATED = "PodsNotCreated"
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    VOLUME_IN_USE = "VolumeInUse"
    CONTAINER_NOT_STARTED = "ContainerNotStarted"
    WEBHOOK_FAILED = "WebhookFailed"
    JOB_FORBIDDEN = "JobForbidden"
    JOB_INVALID = "JobInvalid"
    JOB_NAME_CONFLICT = "JobNameConflict"
    JOB_SUSPENDED = "JobSuspended"
    LOCAL_QUEUE_NOT_FOUND = "LocalQueueNotFound"
    INADMISSIBLE = "Inadmissible"
    WORKLOAD_MISSING = "WorkloadMissing"
    WORKLOAD_DEACTIVATED = "WorkloadDeactivated"
    JOB_IN_OTHER_CLUSTER = "JobInOtherCluster"
    SERVICE_FORBIDDEN = "ServiceForbidden"
    SERVICE_INVALID = "ServiceInvalid"
    SERVICE_NAME_CONFLICT = "ServiceNameConflict"
    NAMESPACE_TERMINATING = "NamespaceTerminating"

    # The run needs an input, a store or another process.
    EVALUATION_MISSING = "EvaluationMissing"
    NO_STORAGE = "NoStorage"
    FOLDER_STORAGE = "FolderStorage"
    FILE_SOURCE = "FileSource"
    STORE_UNREACHABLE = "StoreUnreachable"
    STORE_REFUSED = "StoreRefused"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    SOURCE_REFUSED = "SourceRefused"
    PEER_UNREACHABLE = "PeerUnreachable"
    PREPARE_OVERDUE = "PrepareOverdue"
    INVALID_INPUT = "InvalidInput"
    BAD_INPUT = "BadInput"
    BAD_SEED_TASKS = "BadSeedTasks"
    BAD_BENCHMARK = "BadBenchmark"
    BAD_TEMPLATE = "BadTemplate"
    BAD_MODEL = "BadModel"
    BAD_ADAPTER = "BadAdapter"
    BAD_ORDER = "BadOrder"
    STORE_IGNORES_CONDITIONS = "StoreIgnoresConditions"
    STORE_TOO_NEW = "StoreTooNew"

    # The run's own results end it.
    KEEP_RATE_TOO_LOW = "KeepRateTooLow"
    TOO_FEW_SAMPLES = "TooFewSamples"
    LOW_LABEL_MASS = "LowLabelMass"
    PROMPT_TOO_LONG = "PromptTooLong"
    BAD_TRAINING_DATA = "BadTrainingData"
    TRAINING_DIVERGED = "TrainingDiverged"

    # Attempts failed.
    INVALID_SPEC = "InvalidSpec"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    STORE_CORRUPT = "StoreCorrupt"
    STORE_FULL = "StoreFull"
    STORE_FAILED = "StoreFailed"
    DISK_FAILED = "DiskFailed"
    DISK_OR_IO = "DiskOrIO"
    DEVICE_FAILED = "DeviceFailed"
    OUT_OF_DEVICE_MEMORY = "OutOfDeviceMemory"
    OUT_OF_MEMORY = "OutOfMemory"
    KILLED = "Killed"
    STOPPED = "Stopped"
    RETRIES_EXCEEDED = "RetriesExceeded"
    DEFECT = "Defect"
