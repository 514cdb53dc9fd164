"""The one table of reasons: the meaning, the remedy and the exit code of each reason.

The page `docs/reference/conditions.md`, the advice in messages, the exit codes and the tests all
come from this table. `progress_explanations.py` and `queue_explanations.py` have its first rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanation import FAILED, INPUT, MOVING, STALLED, Explanation
from isheep.contract.progress_explanations import PROGRESS_EXPLANATIONS
from isheep.contract.queue_explanations import QUEUE_EXPLANATIONS
from isheep.contract.reasons import Reason

EXPLANATIONS: Mapping[Reason, Explanation] = {
    **PROGRESS_EXPLANATIONS,
    **QUEUE_EXPLANATIONS,
    Reason.SECRET_NOT_FOUND: Explanation(
        STALLED,
        "A Secret that the spec names, or one of its keys, does not exist.",
        "create it in the run's namespace, with the keys that the spec's field names",
    ),
    Reason.CONFIG_MAP_NOT_FOUND: Explanation(
        STALLED,
        "A ConfigMap that the spec names, or one of its keys, does not exist.",
        "create it in the run's namespace, or correct its name in the spec",
        ExitCode.BAD_INPUT,
    ),
    Reason.SERVICE_ACCOUNT_NOT_FOUND: Explanation(
        STALLED,
        "The service account of the pods does not exist.",
        "create it, or correct spec.serviceAccountName",
    ),
    Reason.VOLUME_NOT_FOUND: Explanation(
        STALLED,
        "A PersistentVolumeClaim that the spec names does not exist.",
        "create the claim in the run's namespace, or correct its name in the spec",
    ),
    Reason.RESOURCE_CLAIM_NOT_CREATED: Explanation(
        STALLED,
        "The claim of devices that a pod needs cannot be created.",
        "create the ResourceClaimTemplate in the run's namespace, or correct resourceClaims of the "
        "pool in spec.compute",
    ),
    Reason.PRIORITY_CLASS_NOT_FOUND: Explanation(
        STALLED,
        "The PriorityClass of a pool does not exist.",
        "correct priorityClassName of the pool in spec.compute",
    ),
    Reason.RUNTIME_CLASS_NOT_FOUND: Explanation(
        STALLED,
        "The RuntimeClass of a pool does not exist.",
        "correct runtimeClassName of the pool in spec.compute",
    ),
    Reason.IMAGE_PULL_FAILED: Explanation(
        STALLED,
        "A node cannot pull the worker image.",
        "push the image, or correct image or imagePullSecrets in spec.compute",
    ),
    Reason.UNSCHEDULABLE: Explanation(
        STALLED,
        "No node fits a pod now.",
        "add or free a node, or correct resources and placement in spec.compute",
    ),
    Reason.QUOTA_EXCEEDED: Explanation(
        STALLED,
        "The namespace's ResourceQuota does not allow another pod or Job.",
        "raise the quota, or lower resources or parallelism in spec.compute",
    ),
    Reason.LIMIT_RANGE_VIOLATED: Explanation(
        STALLED,
        "The namespace's LimitRange does not allow a pod.",
        "correct the pool's resources in spec.compute, or change the LimitRange",
    ),
    Reason.POD_SECURITY_VIOLATED: Explanation(
        STALLED,
        "The namespace's Pod Security level does not allow a pod.",
        "allow restricted pods in the run's namespace",
    ),
    Reason.PODS_NOT_CREATED: Explanation(
        STALLED,
        "The API server does not accept a pod of the Job. The message comes from the API "
        "server and names the field or the policy.",
    ),
    Reason.VOLUME_NOT_MOUNTED: Explanation(
        STALLED,
        "A node cannot mount a volume. The message comes from the kubelet.",
    ),
    Reason.VOLUME_IN_USE: Explanation(
        STALLED,
        "A claim that only one node or one pod can use (ReadWriteOnce, ReadWriteOncePod) is used.",
        "wait until the other pod has ended, or use a claim with the access mode ReadOnlyMany or "
        "ReadWriteMany",
    ),
    Reason.CONTAINER_NOT_STARTED: Explanation(
        STALLED,
        "A node cannot start the container. The message comes from the kubelet.",
    ),
    Reason.WEBHOOK_FAILED: Explanation(
        STALLED,
        "An admission webhook of the cluster does not answer. Until it does, the API server "
        "refuses the Jobs or the pods of the run. The message comes from the API server.",
        "start the server of the webhook; its Service is in the mutatingwebhookconfigurations or "
        "the validatingwebhookconfigurations of the cluster",
    ),
    Reason.JOB_FORBIDDEN: Explanation(
        STALLED,
        "A policy of the cluster does not allow the Job. The message names the policy.",
        "correct the pool in spec.compute, or change the policy",
    ),
    Reason.JOB_INVALID: Explanation(
        STALLED,
        "The API server does not accept the Job.",
        "correct the field of the pool that the message names",
    ),
    Reason.JOB_NAME_CONFLICT: Explanation(
        STALLED,
        "Another Job has the name of this run's Job, or somebody edited this run's Job.",
        "delete that Job",
    ),
    Reason.JOB_SUSPENDED: Explanation(
        STALLED,
        "Somebody suspended a Job of this run.",
        "resume or delete the Job; to suspend the run, set spec.suspend of the run",
    ),
    Reason.SERVICE_FORBIDDEN: Explanation(
        STALLED,
        "A policy of the cluster does not allow the Service that training on several nodes needs. "
        "The message names the policy.",
        "change the policy, or set training.numNodes to 1",
    ),
    Reason.SERVICE_INVALID: Explanation(
        STALLED,
        "The API server does not accept the Service that training on several nodes needs. The "
        "message comes from the API server.",
    ),
    Reason.SERVICE_NAME_CONFLICT: Explanation(
        STALLED,
        "Another Service has the name of this run's Service, or somebody edited this run's "
        "Service.",
        "delete that Service",
    ),
    Reason.NAMESPACE_TERMINATING: Explanation(
        STALLED,
        "The namespace is being deleted, and the run with it.",
    ),
    Reason.EVALUATION_MISSING: Explanation(
        STALLED,
        "A rule of `spec.safeguards` or `spec.stopping` needs the comparison of a model, and a "
        "stage of this comparison has failed.",
        "correct the cause and request a retry, or set safeguards.action to Warn and remove "
        "stopping",
        ExitCode.BAD_INPUT,
    ),
    Reason.NO_STORAGE: Explanation(
        STALLED,
        "Neither the run nor the installation names a store.",
        "set spec.storage.s3, or defaultStorage in the chart's values",
        ExitCode.BAD_INPUT,
    ),
    Reason.FOLDER_STORAGE: Explanation(
        STALLED,
        "The run's storage is a folder, which only `isheep run` can use.",
        "set spec.storage.s3",
        ExitCode.BAD_INPUT,
    ),
    Reason.FILE_SOURCE: Explanation(
        STALLED,
        "The run reads a model or data from file://, which only `isheep run` can do.",
        "put the files into a bucket, a volume or a hub, and give s3://, pvc:// or hf://",
        ExitCode.BAD_INPUT,
    ),
    Reason.STORE_UNREACHABLE: Explanation(
        STALLED,
        "The store did not answer during all retries.",
        "check the endpoint of spec.storage, the network and the state of the store",
        ExitCode.UNREACHABLE,
    ),
    Reason.STORE_REFUSED: Explanation(
        STALLED,
        "The store answered, and did not accept the credential or did not find the bucket.",
        "correct the Secret of spec.storage, the rights of its credential, the bucket or the "
        "region",
        ExitCode.BAD_INPUT,
    ),
    Reason.SOURCE_UNREACHABLE: Explanation(
        STALLED,
        "The location of an input, or the endpoint of the judge, did not answer during all "
        "retries.",
        "check the URI that the message names, and its credentials",
        ExitCode.UNREACHABLE,
    ),
    Reason.SOURCE_REFUSED: Explanation(
        STALLED,
        "The location of an input, or the endpoint of the judge, answered, and did not accept the "
        "credential.",
        "correct the Secret that the message names, or the rights of its credential",
        ExitCode.BAD_INPUT,
    ),
    Reason.PEER_UNREACHABLE: Explanation(
        STALLED,
        "The nodes of a training did not find each other, or one of them was lost.",
        "check that all pods of the Job run and that a NetworkPolicy lets them reach each other",
        ExitCode.UNREACHABLE,
    ),
    Reason.PREPARE_OVERDUE: Explanation(
        STALLED,
        "prepare did not end within 30 minutes. The message names what prepare waited for.",
        exit_code=ExitCode.UNREACHABLE,
    ),
    Reason.INVALID_INPUT: Explanation(
        INPUT,
        "A worker could not use an input.",
        "correct what the message names",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_INPUT: Explanation(
        INPUT,
        "A worker could not use an input, or two settings do not fit together.",
        "correct what the message names",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_SEED_TASKS: Explanation(
        INPUT,
        "The seed tasks cannot be used.",
        "correct the line that the message names",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_BENCHMARK: Explanation(
        INPUT,
        "A benchmark of the decontamination cannot be used.",
        "correct the line that the message names",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_TEMPLATE: Explanation(
        INPUT,
        "A prompt template cannot be used.",
        "correct the template that the message names",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_MODEL: Explanation(
        INPUT,
        "The model's files or its chat template cannot be used.",
        "correct the file that the message names, or use another model",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_ADAPTER: Explanation(
        FAILED,
        "The engine cannot serve the adapter.",
        "set training.handover to Merged, or correct what the message names",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_ORDER: Explanation(
        INPUT,
        "The worker cannot read the operator's order, or does not know a stage version.",
        "use the worker image of the operator's version",
        ExitCode.BAD_INPUT,
    ),
    Reason.STORE_IGNORES_CONDITIONS: Explanation(
        INPUT,
        "The store ignores conditional writes (`If-None-Match: *`).",
        "use a store that supports conditional writes",
        ExitCode.BAD_INPUT,
    ),
    Reason.STORE_TOO_NEW: Explanation(
        INPUT,
        "A newer version of this software wrote an artifact.",
        "use that version, or another prefix",
        ExitCode.BAD_INPUT,
    ),
    Reason.KEEP_RATE_TOO_LOW: Explanation(
        FAILED,
        "Too few instructions pass the rules to reach `instructions.count`.",
        "loosen spec.curation, raise instructions.maxRounds or lower instructions.count; the "
        "message counts what each rule dropped; if most instructions are not ASCII, set language",
        ExitCode.BAD_INPUT,
    ),
    Reason.TOO_FEW_SAMPLES: Explanation(
        FAILED,
        "The selection kept fewer pairs than `selection.minSamples`.",
        "lower the threshold or selection.minSamples, or raise instructions.count; the message "
        "counts the reasons",
        ExitCode.BAD_INPUT,
    ),
    Reason.LOW_LABEL_MASS: Explanation(
        FAILED,
        "Expected scoring: the assessor gives the score labels almost no probability.",
        "use promptFormat: Raw, rubric: InContext, another assessor, or scoring: Sampled",
        ExitCode.BAD_INPUT,
    ),
    Reason.PROMPT_TOO_LONG: Explanation(
        FAILED,
        "A prompt does not fit the model's context.",
        "raise engine.vllm.maxModelLength, or shorten the templates or maxTokens",
        ExitCode.BAD_INPUT,
    ),
    Reason.BAD_TRAINING_DATA: Explanation(
        FAILED,
        "D(t) has no row that can be trained on.",
        "raise training.maxLength, or read in the message why the rows were dropped",
        ExitCode.BAD_INPUT,
    ),
    Reason.TRAINING_DIVERGED: Explanation(
        FAILED,
        "The training loss became NaN or infinite.",
        "lower training.learningRate or use another dtype",
        ExitCode.BAD_INPUT,
    ),
    Reason.INVALID_SPEC: Explanation(
        FAILED,
        "This operator cannot read the spec, because the spec is for an older or newer operator.",
        "edit the spec, or install the operator's version that the spec is for",
        ExitCode.BAD_INPUT,
    ),
    Reason.DEADLINE_EXCEEDED: Explanation(
        FAILED,
        "`spec.activeDeadlineSeconds` have passed.",
        "raise spec.activeDeadlineSeconds, or retry the run; it resumes from the last commit",
        ExitCode.BAD_INPUT,
    ),
    Reason.STORE_CORRUPT: Explanation(
        FAILED,
        "An object in the store is missing or its digest differs.",
        "restore the object that the message names, or delete its stage",
        ExitCode.DISK,
    ),
    Reason.STORE_FULL: Explanation(
        FAILED,
        "The store has no space left, or its quota is used up.",
        "free space or raise the quota, then retry the run",
        ExitCode.DISK,
    ),
    Reason.STORE_FAILED: Explanation(
        FAILED,
        "The store answered with an error that a retry did not remove. The message comes from the "
        "store.",
        exit_code=ExitCode.DISK,
    ),
    Reason.DISK_FAILED: Explanation(
        FAILED,
        "A disk of the node is full, read-only or broken.",
        "free space, or use another disk or node, then retry the run",
        ExitCode.DISK,
    ),
    Reason.DISK_OR_IO: Explanation(
        FAILED,
        "Every attempt failed with a disk or I/O error. `status.lastFailure` has the last message.",
        "free space, or use another disk or node, then retry the run",
        exit_code=ExitCode.DISK,
    ),
    Reason.DEVICE_FAILED: Explanation(
        FAILED,
        "A GPU, the connection between GPUs, or a process of the engine failed in every attempt, "
        "for example with a memory (ECC) error or a timeout of NCCL.",
        "look for the GPU's errors in the node's log, exclude that node from the run, then retry "
        "the run",
        ExitCode.DISK,
    ),
    Reason.OUT_OF_DEVICE_MEMORY: Explanation(
        MOVING,
        "The batch did not fit the device. The next attempt uses half of it.",
        exit_code=ExitCode.DEVICE_MEMORY,
    ),
    Reason.OUT_OF_MEMORY: Explanation(
        FAILED,
        "Even an eighth of the usual batch does not fit the device.",
        "use a device with more memory, or lower training.maxLength or maxModelLength",
        ExitCode.DEVICE_MEMORY,
    ),
    Reason.KILLED: Explanation(
        MOVING,
        "A signal ended the worker, most often at the pod's memory limit. The attempt counts as a "
        "failure, and the next one starts shortly.",
        "raise resources.limits.memory of its pool in spec.compute",
    ),
    Reason.STOPPED: Explanation(
        MOVING,
        "The worker stopped on request. The next attempt resumes from what is stored.",
        exit_code=ExitCode.STOPPED,
    ),
    Reason.RETRIES_EXCEEDED: Explanation(
        FAILED,
        "More attempts failed than are allowed. `status.lastFailure` has the last message.",
        "correct what the last message names, then retry the run",
        exit_code=ExitCode.DEFECT,
    ),
    Reason.DEFECT: Explanation(
        FAILED,
        "The worker has a defect. The message of another library's error is not shown, because it "
        "can contain generated text.",
        "report it with the worker's log, which is under `runs/<name>/logs/` in the store",
        ExitCode.DEFECT,
    ),
}
