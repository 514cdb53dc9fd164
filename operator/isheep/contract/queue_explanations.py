"""The explanations of the reasons of a run whose Job Kueue holds."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.explanation import MOVING, STALLED, Explanation
from isheep.contract.reasons import Reason

QUEUE_EXPLANATIONS: Mapping[Reason, Explanation] = {
    Reason.QUEUED: Explanation(MOVING, "Kueue or a scheduling gate delays the pods."),
    Reason.PREEMPTED: Explanation(
        MOVING,
        "Kueue has stopped the pods of a Job in favour of another one, and admits the Job again "
        "later. Only the parts of a stage that were not committed are lost, and the attempt does "
        "not count as a failure.",
    ),
    Reason.LOCAL_QUEUE_NOT_FOUND: Explanation(
        STALLED,
        "The LocalQueue that the Job needs does not exist in the namespace of the run, or the run "
        "names none although Kueue manages all Jobs.",
        "create the LocalQueue, or set the label kueue.x-k8s.io/queue-name of the run to another "
        "one; the suspended Job is then created again",
    ),
    Reason.INADMISSIBLE: Explanation(
        STALLED,
        "Kueue cannot admit the Job as its queues are now: a queue is stopped, inactive or closed "
        "to the namespace, or the Job needs more than the whole quota or than a LimitRange allows, "
        "or no flavor of the quota fits its pods.",
        "read the conditions of the LocalQueue and of its ClusterQueue, start the queue or raise "
        "its quota, or lower resources or parallelism in spec.compute and delete the Job",
    ),
    Reason.WORKLOAD_MISSING: Explanation(
        STALLED,
        "The run has the label of a queue, and Kueue has created no Workload for its Job.",
        "install Kueue or start its controller, read the Events of the Job, and check that the "
        "WorkloadPriorityClass in the label kueue.x-k8s.io/priority-class exists; without Kueue, "
        "remove the labels of the run, and the Job is created again",
    ),
    Reason.WORKLOAD_DEACTIVATED: Explanation(
        STALLED,
        "The Workload of the Job has been deactivated: by a person, by an admission check, or "
        "because its pods were not ready in time too often.",
        "remove the cause, then set spec.active of the Workload to true",
    ),
    Reason.JOB_IN_OTHER_CLUSTER: Explanation(
        STALLED,
        "Another controller than this cluster's Job controller runs the Job, for example "
        "MultiKueue in another cluster. The operator cannot read the results of its pods.",
        "use a queue without MultiKueue, and delete the Job",
    ),
}
