"""Which attempts stop: all of a suspended or ended run, and those whose key left the plan.

An attempt continues through an edit of the spec if its key stays in the plan. Until prepare has
committed for the edited spec, the later keys are unknown, so running attempts continue. An attempt
with a walk stops as well if the edit changed the settings of a stage that it would still reach. The
decision of a verdict may change them, too, but not for the Job that has made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.job_stages import ExpectedJob, walked_from
from isheep.planner.orders import expected_job_of
from isheep.planner.pinning import Resolved, spec_of
from isheep.planner.types import Attempt, AttemptState, JobWalk, Stop
from isheep.planner.walk import Walk
from isheep.recipes.interface import Stage

LEFT = "its stage left the plan"


def stop_all(attempts: Iterable[Attempt], reason: str) -> list[Stop]:
    """Return the stops of all active attempts."""
    return [Stop(a.name, reason) for a in attempts if a.state is AttemptState.ACTIVE]


def departed(
    attempts: Iterable[Attempt], walked: Walk, spec: SelfAlignmentRunSpec, resolved: Resolved
) -> list[Attempt]:
    """Return the attempts whose key is not in the plan or is already committed.

    Some of them may be stopping already.
    """
    at_work = (a for a in attempts if a.occupies)
    return [a for a in at_work if not _has_place(a, walked, spec, resolved)]


def stopping(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Return those of the attempts that stop now or are stopping, so that their numbers are used.

    A stop and the status that counts it are two writes. If the second write is lost, the next plan
    sees an attempt that is stopping.
    """
    return [a for a in attempts if a.occupies and not a.rejected]


def _has_place(
    attempt: Attempt, walked: Walk, spec: SelfAlignmentRunSpec, resolved: Resolved
) -> bool:
    if resolved.prepared is None and all(step.id != "prepare" for step in attempt.steps):
        return True
    if any(walked.keys.get(step.id) != step.key for step in attempt.steps):
        return False
    if attempt.walk is not None:
        return _walk_has_place(attempt, attempt.walk, walked, spec, resolved)
    return any(step.id not in walked.results for step in attempt.steps)


def _walk_has_place(
    attempt: Attempt,
    walk: JobWalk,
    walked: Walk,
    spec: SelfAlignmentRunSpec,
    resolved: Resolved,
) -> bool:
    stages = walked_from(walked.stages, attempt.steps[0].id, walk.grouping)
    if all(stage.id in walked.results for stage in stages):
        # Its pods end on their own, unless they still wait for a node.
        return attempt.waiting is None
    return any(
        expected is None or expected.settings_digest == walk.settings_digest
        for expected in _expected_jobs(stages[0], walk, spec, resolved)
    )


def _expected_jobs(
    first: Stage, walk: JobWalk, spec: SelfAlignmentRunSpec, resolved: Resolved
) -> Iterator[ExpectedJob | None]:
    """Yield what is expected of a Job, with its decisions and without them.

    The Job of a whole run decides which models write its later iterations, and follows its own
    decision. When the Job started, nobody knew the decision.
    """
    yield expected_job_of(first, spec, resolved, walk.grouping)
    writers = resolved.writers or ()
    if walk.grouping != "Run":
        return
    for count in range(first.iteration, len(writers)):
        before = resolved.model_copy(update={"writers": writers[:count]})
        yield expected_job_of(first, spec_of(before), before, walk.grouping)
