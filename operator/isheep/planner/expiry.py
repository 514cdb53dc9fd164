"""Expiry: when a run that has ended is deleted, after `spec.ttlSecondsAfterFinished`.

The condition `Expiring` says when the run is deleted, or why it is not. It is written with the end
of the run, so a user reads it long before the time. There are two obstacles. The installation must
allow the operator to delete runs. And if Argo CD or Flux tracks the run, the tool would create the
run again after its deletion, and the new run would do the work again.

The time counts from `status.completionTime`, by the operator's clock. A run that an edit or a retry
starts again has ended later, so its time begins again. A run is deleted only when none of its
attempts has pods left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from isheep.api.status import Condition, SelfAlignmentRunStatus
from isheep.contract.choices import ConditionStatus
from isheep.contract.reasons import Reason
from isheep.planner.restart import ended, is_over
from isheep.planner.types import Environment, Expire, Observed, Plan, RunView

EXPIRING = "Expiring"
FIELD = "ttlSecondsAfterFinished"

ARGO_CD, FLUX = "Argo CD", "Flux"
TRACKING_ANNOTATIONS: Mapping[str, str] = {"argocd.argoproj.io/tracking-id": ARGO_CD}
TRACKING_LABELS: Mapping[str, str] = {
    "argocd.argoproj.io/instance": ARGO_CD,
    # Without an annotation, this is Argo CD's default label. Helm charts set it, too.
    "app.kubernetes.io/instance": ARGO_CD,
    "kustomize.toolkit.fluxcd.io/name": FLUX,
    "helm.toolkit.fluxcd.io/name": FLUX,
}
"""What Argo CD and Flux write into the objects that they apply, with the name of the tool."""


def tracked_by(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str | None:
    """Return the tool that tracks an object, with the mark that shows it, or None."""
    marks = [
        (n, tool, "annotation") for n, tool in TRACKING_ANNOTATIONS.items() if n in annotations
    ]
    marks += [(n, tool, "label") for n, tool in TRACKING_LABELS.items() if n in labels]
    return next((f"{tool} ({kind} {name})" for name, tool, kind in marks), None)


def expires_at(seconds: int | None, completed: datetime | None) -> datetime | None:
    """Return when a run that ended at `completed` is deleted; None if it is not."""
    if seconds is None or completed is None:
        return None
    return completed + timedelta(seconds=seconds)


def with_expiry(
    made: Plan, run: RunView, observed: Observed, now: datetime, environment: Environment
) -> Plan:
    """Return a plan with the condition `Expiring`, and with the deletion of the run if it is due.

    Args:
        made: The plan of the run; its status decides whether the run has ended.
        run: The run.
        observed: The attempts of the run.
        now: The time, with a time zone.
        environment: The installation. Outside of a cluster, runs do not expire.
    """
    seconds = run.spec.get(FIELD)
    due = expires_at(seconds, made.status.completion_time)
    if environment.deletes_runs is None or due is None or not ended(made.status):
        return made
    obstacle = _obstacle(run, environment)
    if obstacle is not None:
        return replace(made, status=_shown(made.status, run, now, "False", obstacle))
    message = f"spec.{FIELD} is {seconds}: the run is deleted at {due:%Y-%m-%dT%H:%M:%SZ}"
    shown = _shown(made.status, run, now, "True", (Reason.FINISHED, message))
    made = replace(made, status=shown)
    if now < due or not is_over(run):
        # The time has not come, or the end of the run is not stored yet.
        times = (time for time in (made.wake_at, due) if time is not None)
        return replace(made, wake_at=min(times))
    if made.actions or _has_pods(observed):
        # The Jobs are deleted first.
        return made
    return replace(made, actions=(Expire(f"{seconds} s have passed since the run ended"),))


def _has_pods(observed: Observed) -> bool:
    return any(attempt.occupies for attempt in observed.attempts)


def _obstacle(run: RunView, environment: Environment) -> tuple[Reason, str] | None:
    """Return the reason and the message of what prevents the deletion."""
    if run.tracked_by is not None:
        message = (
            f"spec.{FIELD} has no effect, because {run.tracked_by} tracks the run and would create "
            "it again: remove the field, and delete the run in the repository"
        )
        return Reason.TTL_TRACKED, message
    if not environment.deletes_runs:
        message = (
            f"spec.{FIELD} has no effect, because this installation does not delete runs: set "
            "ttl.enabled in the chart's values, or delete the run by hand"
        )
        return Reason.TTL_DISABLED, message
    return None


def _shown(
    status: SelfAlignmentRunStatus,
    run: RunView,
    now: datetime,
    value: ConditionStatus,
    why: tuple[Reason, str],
) -> SelfAlignmentRunStatus:
    """Return a status with the condition `Expiring`, as the last condition."""
    others = tuple(c for c in status.conditions if c.type != EXPIRING)
    old = next((c for c in status.conditions if c.type == EXPIRING), None)
    moved = old is None or old.status != value
    made = Condition(
        type=EXPIRING,
        status=value,
        reason=why[0],
        message=why[1],
        last_transition_time=now if moved or old is None else old.last_transition_time,
        observed_generation=run.generation,
    )
    return status.model_copy(update={"conditions": (*others, made)})
