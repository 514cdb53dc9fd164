"""How the pods of a finished Job ended. A pure function of their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isheep.contract.exit_codes import ExitCode
from isheep.contract.explanations import EXPLANATIONS
from isheep.contract.order import StageResult
from isheep.contract.reasons import Reason
from isheep.kube.job_building.pod_failure_policy import FINAL_CODES
from isheep.kube.pods.pod_records import PodRecord
from isheep.kube.pods.pod_results import read_result, shown
from isheep.planner.types import FailedPod

TAIL_CHARACTERS = 600
KILLED = 137
"""The exit code of a container that SIGKILL ended."""
OUT_OF_MEMORY = "OOMKilled"
"""The kubelet's reason for a container that was ended at its memory limit."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The results of a finished Job's pods, and the end of the pod that explains a failure."""

    results: tuple[StageResult, ...] = ()
    exit_code: int | None = None
    pod: str | None = None
    message: str | None = None
    disrupted: bool = False


def how_ended(pods: Sequence[PodRecord]) -> Ending:
    """Return the results of the pods of a finished Job, and the end of the pod that failed it.

    A pod counts if its worker has ended, even if another container of the pod goes on.
    """
    over = [pod for pod in pods if pod.termination is not None]
    read = {pod.uid: read_result(pod.termination.message) for pod in over if pod.termination}
    results = tuple(result for result in read.values() if result is not None)
    decisive = _decisive(pods, read)
    if decisive is None:
        return Ending(results=results)
    result = read.get(decisive.uid)
    end = decisive.termination
    code = None if end is None else end.exit_code
    message = result.message if result is not None else None
    return Ending(
        results=results,
        exit_code=code or None,
        pod=decisive.name,
        message=message or _end_message(decisive),
        disrupted=decisive.disrupted,
    )


def only_others_failed(pods: Sequence[PodRecord], parallelism: int) -> bool:
    """Return whether all workers of a Job have ended well, and only other containers have failed.

    Kubernetes counts such a pod as failed and starts it again, although the work is done.
    """
    failed = any(pod.phase == "Failed" and pod.done and pod.others_failed for pod in pods)
    done = {pod.index for pod in pods if pod.over and pod.done}
    return failed and len(done) >= parallelism


def failed_pod(pods: Sequence[PodRecord]) -> FailedPod | None:
    """Return the pod that failed last while its Job goes on; disrupted pods did not fail."""
    failed = [p for p in pods if p.phase == "Failed" and not p.disrupted and not _was_stopped(p)]
    last = max(failed, key=_end_time, default=None)
    if last is None:
        return None
    end = last.termination
    result = read_result(end.message) if end is not None else None
    killed = end is not None and (end.reason == OUT_OF_MEMORY or end.exit_code == KILLED)
    otherwise = Reason.KILLED if killed else Reason.RETRYING
    return FailedPod(
        name=last.name,
        reason=(result.reason if result is not None else None) or otherwise,
        message=(result.message if result is not None else None) or _end_message(last),
        stage=result.stage if result is not None else None,
    )


def _was_stopped(pod: PodRecord) -> bool:
    return pod.termination is not None and pod.termination.exit_code == ExitCode.STOPPED


def _end_time(pod: PodRecord) -> float:
    end = pod.termination
    return end.finished.timestamp() if end is not None and end.finished else 0.0


def _decisive(
    pods: Sequence[PodRecord], read: Mapping[str, StageResult | None]
) -> PodRecord | None:
    """Return the failed pod that explains the Job's failure; None if no pod failed.

    A pod with a final exit code comes first, then a pod that did not only lose its peers, then a
    pod that was not disrupted, and then the pod that ended last.
    """
    failed = [pod for pod in pods if pod.phase == "Failed" or _lingers_failed(pod)]
    if not failed:
        return None

    def weight(pod: PodRecord) -> tuple[bool, bool, bool, float]:
        end = pod.termination
        final = end is not None and end.exit_code in FINAL_CODES
        result = read.get(pod.uid)
        cause = result is None or result.reason != Reason.PEER_UNREACHABLE
        return final, cause, not pod.disrupted, _end_time(pod)

    return max(failed, key=weight)


def _lingers_failed(pod: PodRecord) -> bool:
    return pod.lingers and pod.termination is not None and pod.termination.exit_code != 0


def _end_message(pod: PodRecord) -> str:
    """Return a message about the end of a pod without a result."""
    end = pod.termination
    # A reason is that of the kubelet, which has ended the init containers too, as an eviction does.
    if end is None and pod.failed_init is not None and not pod.reason:
        name, code = pod.failed_init
        return f"the init container {name} of {pod.name} ended with exit code {code}"
    if end is None or (end.exit_code == KILLED and pod.reason):
        # The kubelet says why it has killed the pod, for example because of its use of the disk.
        return f"{pod.name} failed: {pod.reason or 'its node was lost'} {pod.message}".strip()
    if end.reason == OUT_OF_MEMORY:
        remedy = EXPLANATIONS[Reason.KILLED].remedy
        return f"{pod.name} was killed at its memory limit (OOMKilled): {remedy}"
    if pod.done and pod.others_failed:
        names = ", ".join(pod.others_failed)
        return f"the worker of {pod.name} ended well, and the container {names} beside it failed"
    tail = " ".join(shown(end.message).split())[-TAIL_CHARACTERS:]
    what = f"{pod.name} ended with exit code {end.exit_code}"
    if end.exit_code == KILLED and not tail:
        return f"{what}: it was killed from outside of the pod"
    return f"{what}; its log ends: {tail}" if tail else what
