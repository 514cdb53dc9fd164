"""Stage records: the state of each stage, from the status and from attempts that ended.

The records start from `status.stages`, add the results of the attempts, and go back into the
status for the stages of the plan. The end of an attempt is counted once: `attempts` is the number
of the last attempt whose end the record contains. A commit can be added repeatedly, because it
changes nothing the second time. An attempt that disappeared without a result changes no record,
and the next attempt has the same number.

The workers of an attempt with a walk report the stages that they have committed while they run, and
again in their results. Its failure counts against the first stage that is not committed, because
the next attempt begins there. So each commit begins a new count, because it is another stage that
can fail next. The message has the stage that the worker names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from isheep.api.status import Failure, Hold, StageFailure, StageRecord
from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import Frontier, StepResult
from isheep.contract.prepared import Prepared
from isheep.contract.reasons import Reason
from isheep.planner.failure_policy import Ending, FailureAction, FailureDecision, decide
from isheep.planner.frontier import expand
from isheep.planner.job_stages import walked_from
from isheep.planner.orders import OPTIONAL_DEADLINE_SECONDS, PREPARE_DEADLINE_SECONDS
from isheep.planner.pinning import Resolved, recipe_of, spec_of
from isheep.planner.prepared_results import prepared_of
from isheep.planner.types import Attempt, AttemptState, StageRef
from isheep.planner.walk import Lookup, Walk, walk
from isheep.recipes.interface import FAILED, RecipeFailure, Stage, Statistics
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, StageKind, kind_of

PREPARE = str(StageKind.PREPARE)
MESSAGE_CHARACTERS = 1000
OPTIONAL_CHARACTERS = 300
"""The message of each failed optional stage stays in the status until the end of the run."""
REASON_CHARACTERS = 128
MAX_COUNTS = 60
"""The largest number of counts of a stage in the status; the schema limits them."""


class StageRecords:
    """The records of stages by id and key, and the failures that this plan added.

    `before` are the records with which this plan began, after the reset of an edit or a retry.
    """

    def __init__(self, records: Iterable[StageRecord], resolved: Resolved) -> None:
        self.before = tuple(records)
        self._records = {StageRef(r.id, r.key): r for r in self.before}
        self._fatal: dict[StageRef, RecipeFailure] = {}
        self._failures: dict[StageRef, Failure] = {}
        self.news: dict[str, set[StageRef]] = {}
        """The stages that this plan has committed, by the name of the attempt that reports them."""
        self.resolved = resolved

    def record(self, ref: StageRef) -> StageRecord:
        """Return the record of a stage, or an empty record if there is none."""
        found = self._records.get(ref)
        if found is None:
            found = self._records[ref] = StageRecord(id=ref.id, key=ref.key)
        return found

    def of(self, walked: Walk) -> list[StageRecord]:
        """Return the records of the planned stages in their order."""
        return [self.record(StageRef(stage.id, walked.keys[stage.id])) for stage in walked.stages]

    def fatal(self, ref: StageRef) -> RecipeFailure | None:
        """Return why a stage failed finally in this plan, or None."""
        return self._fatal.get(ref)

    def failure(self, refs: Iterable[StageRef]) -> Failure | None:
        """Return the last failure that this plan added for these stages, or None."""
        found = [self._failures[ref] for ref in refs if ref in self._failures]
        return found[-1] if found else None

    def lookup(self, stage: Stage, key: str) -> Statistics | None:
        """Return the counts of a stage, or None if it is not committed (a `walk.Lookup`).

        The result of an optional stage that has failed finally is `FAILED`.
        """
        ref = StageRef(stage.id, key)
        record = self.record(ref)
        if record.failure is not None:
            return FAILED
        return record.counts if self._is_committed(ref) else None

    def add_attempts(self, attempts: Iterable[Attempt], now: datetime) -> None:
        """Add the ends of attempts and the results of prepare."""
        for attempt in sorted(attempts, key=lambda a: (a.number, a.created, a.name)):
            if attempt.walk is not None:
                self._add_walk(attempt)
            if attempt.state is AttemptState.ACTIVE:
                self._note_failed_pod(attempt)
                continue
            committed = {StageRef(step.id, step.key): step for step in attempt.result_steps}
            for step in attempt.steps:
                if step.id == PREPARE:
                    self._prepare(step, attempt)
                elif step in committed:
                    self._commit(attempt, committed[step])
            if attempt.state is not AttemptState.TERMINATING:
                self._close(attempt, now)

    def keep_writers(self, writers: tuple[int, ...]) -> None:
        """Keep which model writes each iteration of the plan."""
        self.resolved = self.resolved.model_copy(update={"writers": writers})

    def note_stops(self, attempts: Iterable[Attempt]) -> None:
        """Count attempts that stop as ended, so that the next attempt has a new number."""
        for attempt in attempts:
            for step in attempt.steps:
                self._update(step, attempts=max(self.record(step).attempts, attempt.number))
            # The status keeps these records until prepare has committed for an edited spec.
            self.before = tuple(_with_number(record, attempt) for record in self.before)

    def _update(self, ref: StageRef, **fields: object) -> None:
        self._records[ref] = self.record(ref).model_copy(update=fields)

    def _is_committed(self, ref: StageRef) -> bool:
        # A commit of prepare counts only if `resolved` contains its results.
        if ref.id == PREPARE:
            return self.resolved.prepared is not None
        return self.record(ref).committed

    def _commit(self, attempt: Attempt, result: StepResult) -> None:
        ref = StageRef(result.id, result.key)
        if self.record(ref).committed:
            return
        names = STAGE_DEFINITIONS[kind_of(ref.id)].essential_statistics
        if names and names[0] not in result.statistics:
            message = (
                f"the result of {ref.id} has no statistic {names[0]!r}; use the worker image of "
                "the operator's version"
            )
            decision = FailureDecision(FailureAction.FAIL, Reason.DEFECT)
            self._fail(ref, attempt, decision, message, failed_stage=ref.id)
            return
        self._update(ref, committed=True, counts=bounded_counts(result.statistics), hold=None)

    def _add_walk(self, attempt: Attempt) -> None:
        """Add the stages that the workers of a walk have committed; prepare must have committed."""
        prepared = self.resolved.prepared
        if prepared is None:
            return
        steps = (*attempt.committed, *attempt.result_steps)
        reported = {StageRef(step.id, step.key): step.statistics for step in steps}
        frontiers = [r.frontier for r in attempt.results if r.frontier is not None]
        for frontier in frontiers:
            spec, versions = spec_of(self.resolved), self.resolved.stage_versions
            found = expand(frontier, recipe_of(spec), spec, prepared, versions, known=self.lookup)
            for ref, statistics in found.items():
                self._commit_walked(attempt, ref, {**statistics, **reported.get(ref, {})})
        if any(not self.record(ref).committed for ref in reported):
            self._walk(prepared, self._reported_lookup(attempt, reported))

    def _reported_lookup(self, attempt: Attempt, reported: Mapping[StageRef, Statistics]) -> Lookup:
        """Return a lookup that commits a reported stage when the walk computes the same key.

        So a report of any other stage has no effect.
        """

        def lookup(stage: Stage, key: str) -> Statistics | None:
            ref = StageRef(stage.id, key)
            names = STAGE_DEFINITIONS[stage.kind].essential_statistics
            statistics = reported.get(ref)
            if statistics is not None and (not names or names[0] in statistics):
                self._commit_walked(attempt, ref, statistics)
            return self.lookup(stage, key)

        return lookup

    def _commit_walked(self, attempt: Attempt, ref: StageRef, statistics: Statistics) -> None:
        record = self.record(ref)
        if record.committed:
            return
        self.news.setdefault(attempt.name, set()).add(ref)
        self._update(ref, committed=True, counts=bounded_counts(statistics), hold=None)
        if ref not in attempt.steps:
            # The count of the first stage shows whether the end of the attempt has been counted.
            self._update(ref, attempts=record.attempts + 1)

    def _undone(self, attempt: Attempt) -> list[StageRef]:
        """Return the stages of an attempt that are not committed, as far as they are known."""
        refs = list(attempt.steps)
        if attempt.walk is not None and self.resolved.prepared is not None:
            walked = self._walk(self.resolved.prepared, self.lookup)
            first = attempt.steps[0]
            stages = walked_from(walked.stages, first.id, attempt.walk.grouping)
            if walked.keys.get(first.id) == first.key:
                refs = [StageRef(stage.id, walked.keys[stage.id]) for stage in stages]
        return [
            ref for ref in refs if not self._is_committed(ref) and self.record(ref).failure is None
        ]

    def _walk(self, prepared: Prepared, lookup: Lookup) -> Walk:
        spec = spec_of(self.resolved)
        return walk(recipe_of(spec), spec, prepared, self.resolved.stage_versions, lookup)

    def _prepare(self, ref: StageRef, attempt: Attempt) -> None:
        resolved = self.resolved
        if ref.key != resolved.prepare_key or resolved.prepared is not None:
            return
        spec = spec_of(resolved)
        found = [(prepared_of(r, spec), r.frontier) for r in attempt.results]
        prepared, frontier = next((one for one in found if one[0] is not None), (None, None))
        if prepared is None:
            return
        self.resolved = resolved.with_prepared(prepared)
        self._update(ref, committed=True, hold=None)
        existing = expand(
            frontier or Frontier(),
            recipe_of(spec),
            spec,
            prepared,
            resolved.stage_versions,
        )
        for stage, statistics in existing.items():
            if not self.record(stage).committed:
                self._update(stage, committed=True, counts=dict(statistics), hold=None)

    def _close(self, attempt: Attempt, now: datetime) -> None:
        """Count an attempt that has ended, and decide about its first uncommitted step."""
        fresh = [s for s in attempt.steps if attempt.number > self.record(s).attempts]
        if not fresh:
            return
        undone = self._undone(attempt)
        if undone and self._counts_against(undone[0], attempt, fresh):
            self._decide(undone[0], attempt, now, failed_stage=_failed_stage(undone, attempt))
            if undone[0] not in attempt.steps:
                self._update(undone[0], attempts=self.record(undone[0]).attempts + 1)
        for step in fresh:
            self._update(step, attempts=attempt.number)

    def _note_failed_pod(self, attempt: Attempt) -> None:
        """Add the failure of a pod to the status; it counts when the attempt ends."""
        failed = attempt.failed_pod
        undone = self._undone(attempt) if failed is not None else []
        if failed is None or not undone:
            return
        self._failures[undone[0]] = Failure(
            stage=failed.stage if failed.stage in {ref.id for ref in undone} else undone[0].id,
            pod=failed.name,
            reason=failed.reason[:REASON_CHARACTERS],
            message=failed.message[:MESSAGE_CHARACTERS],
        )

    def _counts_against(self, ref: StageRef, attempt: Attempt, fresh: list[StageRef]) -> bool:
        """Return whether the end of an attempt is a failure of its first uncommitted stage."""
        if ref in self._fatal:
            return False
        if attempt.walk is None or ref in attempt.steps:
            return ref in fresh
        # A walk may end after any commit: the worker waited for others for too long, or its image
        # is of a version that does not walk. The next Job continues.
        return attempt.state is not AttemptState.SUCCEEDED

    def _decide(self, ref: StageRef, attempt: Attempt, now: datetime, *, failed_stage: str) -> None:
        record = self.record(ref)
        failed = next((r for r in attempt.results if r.exit_code or r.reason), None)
        code = attempt.exit_code
        if not code and failed is not None:
            code = failed.exit_code
        if not code and attempt.state is AttemptState.SUCCEEDED:
            code = int(ExitCode.DONE)
        stalled = record.hold is not None and record.hold.stalled
        decision = decide(
            Ending(
                kind=kind_of(ref.id),
                exit_code=code,
                disrupted=attempt.disrupted,
                overdue=_overdue(ref, attempt, now),
                failures=record.failures,
                memory_reduction=record.memory_reduction,
                stalls=record.hold.times if record.hold and stalled else 0,
                reason=failed.reason if failed is not None else None,
            )
        )
        message = attempt.message or (failed.message if failed is not None else None)
        if not message:
            message = _default_message(failed_stage, attempt, code)
        self._fail(ref, attempt, decision, message, failed_stage=failed_stage)
        if decision.action is FailureAction.FAIL:
            return
        stall = decision.action is FailureAction.STALL
        self._update(
            ref,
            failures=record.failures + decision.counted,
            memory_reduction=record.memory_reduction + decision.reduce_memory,
            hold=Hold(
                reason=decision.reason[:REASON_CHARACTERS],
                message=message[:MESSAGE_CHARACTERS],
                stalled=stall,
                until=(attempt.finished or now) + decision.delay,
                times=record.hold.times + 1 if record.hold and stalled and stall else 1,
            ),
        )

    def _fail(
        self,
        ref: StageRef,
        attempt: Attempt,
        decision: FailureDecision,
        message: str,
        *,
        failed_stage: str,
    ) -> None:
        reason, message = decision.reason[:REASON_CHARACTERS], message[:MESSAGE_CHARACTERS]
        self._failures[ref] = Failure(
            stage=failed_stage, pod=attempt.pod, reason=reason, message=message
        )
        if decision.action is not FailureAction.FAIL:
            return
        if STAGE_DEFINITIONS[kind_of(ref.id)].optional:
            failure = StageFailure(reason=reason, message=message[:OPTIONAL_CHARACTERS])
            self._update(ref, failure=failure, hold=None)
            return
        text = f"{failed_stage}: {message}"[:MESSAGE_CHARACTERS]
        self._fatal[ref] = RecipeFailure(reason, text)


def _with_number(record: StageRecord, attempt: Attempt) -> StageRecord:
    """Return a record that counts an attempt of its stage as ended."""
    if StageRef(record.id, record.key) not in attempt.steps or record.attempts >= attempt.number:
        return record
    return record.model_copy(update={"attempts": attempt.number})


def _failed_stage(undone: Sequence[StageRef], attempt: Attempt) -> str:
    """Return the id of the stage that a worker names in its failure, or the first of `undone`.

    A Job for several stages may fail in one stage while parts of the stage before are missing.
    """
    named = {result.stage for result in attempt.results if result.exit_code}
    return next((ref.id for ref in undone if ref.id in named), undone[0].id)


def _overdue(ref: StageRef, attempt: Attempt, now: datetime) -> bool:
    # A Job that reaches an optional stage after others has no time limit of its own.
    optional = STAGE_DEFINITIONS[kind_of(attempt.steps[0].id)].optional
    if ref.id != PREPARE and not optional:
        return False
    limit = timedelta(seconds=OPTIONAL_DEADLINE_SECONDS if optional else PREPARE_DEADLINE_SECONDS)
    return (attempt.finished or now) - (attempt.admitted or attempt.created) >= limit


def _default_message(stage: str, attempt: Attempt, code: int | None) -> str:
    if code is None:
        return f"attempt {attempt.number} of {stage} ended without a result"
    if code == ExitCode.DONE:
        return f"attempt {attempt.number} of {stage} reported success but left no commit"
    return f"attempt {attempt.number} of {stage} ended with exit code {code}"


def bounded_counts(statistics: Statistics) -> dict[str, float]:
    """Return the counts that the status keeps: plain counts, then the largest drop counts."""
    plain = {n: v for n, v in statistics.items() if ":" not in n}
    drops = sorted(
        ((n, v) for n, v in statistics.items() if n.startswith("drop:")), key=lambda d: -d[1]
    )
    return dict([*plain.items(), *drops][:MAX_COUNTS])
