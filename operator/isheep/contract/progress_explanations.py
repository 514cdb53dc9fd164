"""The explanations of the reasons of a run that goes on or is finished."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanation import MOVING, Explanation
from isheep.contract.reasons import Reason

PROGRESS_EXPLANATIONS: Mapping[Reason, Explanation] = {
    Reason.PENDING: Explanation(MOVING, "No stage has started yet."),
    Reason.RUNNING: Explanation(MOVING, "A stage runs, or its Job starts now."),
    Reason.STARTING: Explanation(MOVING, "The pods pull their image or mount their volumes."),
    Reason.STOPPING: Explanation(
        MOVING, "An attempt that the run no longer needs is being deleted."
    ),
    Reason.SIDECAR_RUNNING: Explanation(
        MOVING,
        "The worker of a pod has ended, and another container of the pod goes on. The operator "
        "takes the result and deletes the Job.",
        "exclude the pods of runs from the injection of this container (podLabels or "
        "podAnnotations), or inject it as an init container with restartPolicy Always",
    ),
    Reason.RETRYING: Explanation(MOVING, "An attempt failed and the next one starts shortly."),
    Reason.DISRUPTED: Explanation(
        MOVING,
        "A drain, a preemption or a person ended an attempt. The next one starts shortly, and the "
        "attempt does not count as a failure.",
    ),
    Reason.NODE_LOST: Explanation(
        MOVING,
        "The node of the pods does not answer. If it stays so for some minutes, the attempt ends, "
        "and the next one starts on another node and resumes from the last commit or checkpoint.",
        "nothing, if the node is back soon; otherwise repair the node, or delete its Node object, "
        "so that a volume which only one node can mount becomes free",
    ),
    Reason.WAITING_FOR_PEER: Explanation(
        MOVING, "Another run executes the same stage. This run reuses the result."
    ),
    Reason.WAITING_FOR_STORE: Explanation(
        MOVING,
        "The store does not answer the worker. The worker tries again for five minutes, and then "
        "its pod ends with StoreUnreachable.",
        "check the endpoint of spec.storage, the network and the state of the store",
    ),
    Reason.RUN_LIMIT: Explanation(
        MOVING,
        "As many runs of the namespace work as the installation allows. The message names them and "
        "the place of this run in the queue. The oldest run that waits is next; a run that is "
        "suspended, has ended, or cannot go on frees its place.",
        "wait, suspend another run, or raise limits.runsPerNamespace in the chart's values",
    ),
    Reason.GUARD_ALARM: Explanation(
        MOVING,
        "A guard found signs of a collapse in the answers of a model or in its training data.",
        "read the first section of the report, and look at the pairs; the run goes on",
    ),
    Reason.SUCCEEDED: Explanation(MOVING, "Every stage is committed.", exit_code=ExitCode.DONE),
    Reason.STOPPED_EARLY: Explanation(
        MOVING,
        "A rule of `spec.safeguards` or `spec.stopping` has ended the run before its last "
        "iteration.",
        "read the first section of the report; to go on, set safeguards.action to Warn, or remove "
        "stopping",
        ExitCode.DONE,
    ),
    Reason.NO_IMPROVEMENT: Explanation(
        MOVING,
        "Every stage is committed, and on `best.metric` no model is significantly better than "
        "M(0). The best model is M(0).",
        "read the first section of the report; more items show smaller differences",
        ExitCode.DONE,
    ),
    Reason.SUSPENDED: Explanation(
        MOVING, "`spec.suspend` is true.", "set spec.suspend to false", ExitCode.DONE
    ),
    Reason.FINISHED: Explanation(
        MOVING,
        "The run has ended, and the operator deletes it at the time in the message of the "
        "condition Expiring (`spec.ttlSecondsAfterFinished`).",
        "to keep the run, remove the field; the run then ends again without work",
    ),
    Reason.TTL_DISABLED: Explanation(
        MOVING,
        "The run has `spec.ttlSecondsAfterFinished`, and the installation does not delete runs.",
        "set ttl.enabled in the chart's values, or delete the run by hand",
    ),
    Reason.TTL_TRACKED: Explanation(
        MOVING,
        "The run has `spec.ttlSecondsAfterFinished`, and Argo CD or Flux tracks the run. The tool "
        "would create the run again after its deletion.",
        "remove the field, and delete the run in the repository",
    ),
}
