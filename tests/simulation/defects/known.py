"""Known defects: what the product did wrong once, as the smallest change that brings it back.

Each row has the place of the function, the present text, the text of the defect, and its origin: a
commit of this repository, a public report, or a rule of the design that the defect breaks. A test
fails if the present text is gone, so that the table follows the source.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from .replacement import Position, compiled, function_at, position_in, replaced, source_of

PLANNER, KUBE = "isheep.planner", "isheep.kube"


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect: in the function at `place`, `now` is replaced by `then`."""

    name: str
    place: str
    now: str
    then: str
    origin: str

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """Put the defect back for a while."""
        function = function_at(self.place)
        source = source_of(function)
        if self.now not in source:
            raise LookupError(f"{self.name}: {self.place} does not contain {self.now!r}")
        tree = ast.parse(source.replace(self.now, self.then))
        with replaced(function, compiled(tree, function)):
            yield

    def position(self) -> Position:
        """Return where the defect is in the source."""
        function = function_at(self.place)
        before = source_of(function).partition(self.now)[0]
        return position_in(function, before.count("\n") + 1)


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "forgets-jobs-of-a-deleted-run-at-its-start",
        f"{KUBE}.passes.neighbours:Neighbours.prime",
        "for uid in gone:",
        "for uid in ():",
        "c429cd8: two Jobs worked on one key after a restart",
    ),
    Defect(
        "frees-the-keys-of-a-deleted-run",
        f"{KUBE}.passes.claims:Claims.leave",
        "if claim is None or not left:",
        "if True:",
        "effe485: the next run started beside the Jobs of a deleted run",
    ),
    Defect(
        "adds-a-deleted-object-again",
        f"{KUBE}.cache.cache:RecordStore.put",
        "if not present and record.resource_version <= self._gone.get(record.uid, -1):",
        "if False:",
        "fc7b166: a late answer brought a deleted object back",
    ),
    Defect(
        "takes-an-older-version",
        f"{KUBE}.cache.cache:RecordStore.put",
        "known.resource_version >= record.resource_version",
        "known.resource_version == record.resource_version",
        "0740e1b: the newer resource version counts",
    ),
    Defect(
        "keeps-what-a-list-does-not-return",
        f"{KUBE}.cache.cache:RecordStore.replace",
        "if not exists and record.resource_version <= version:",
        "if False:",
        "0740e1b: a LIST reports what a lost watch did not",
    ),
    Defect(
        "is-idle-beside-a-peer",
        f"{KUBE}.passes.reconciler:Reconciler._idle",
        "if self._neighbours.waits(planned.view):",
        "if False:",
        "f4589f6: a run that waits for a peer always plans",
    ),
    Defect(
        "is-idle-for-ever",
        f"{KUBE}.passes.memory:IdlePlan.holds",
        "and (self.until is None or now < self.until)",
        "",
        "f4589f6: an idle plan ends when its time has come",
    ),
    Defect(
        "repeats-no-failed-pass",
        f"{KUBE}.process.operator:Operator._note_failure",
        "self._queue.wake(uid, BACKOFF_SECONDS[min(times, len(BACKOFF_SECONDS) - 1)])",
        "pass",
        "0740e1b: a pass that fails is repeated",
    ),
    Defect(
        "loses-a-wake-up-during-a-pass",
        f"{KUBE}.queue:WorkQueue.done",
        "if key in self._due:",
        "if self._due.pop(key, None) and False:",
        "0740e1b: a key that is woken while a worker has it is due again",
    ),
    Defect(
        "keeps-the-earlier-time-only-if-later",
        f"{KUBE}.queue:WorkQueue.wake",
        "due < self._due[key]",
        "due > self._due[key]",
        "bb7face: the earliest time counts",
    ),
    Defect(
        "waits-for-what-no-timer-can-reach",
        f"{KUBE}.queue:WorkQueue._next",
        "if seconds <= RESOLUTION_SECONDS:",
        "if seconds <= -RESOLUTION_SECONDS:",
        "a141c4c: a timer may end too early",
    ),
    Defect(
        "keeps-removed-fields-of-a-status",
        f"{KUBE}.passes.patch:status_patch",
        "{name: None for name in before if name not in after}",
        "{}",
        "0740e1b: a merge patch keeps what it does not name",
    ),
    Defect(
        "reads-not-the-run-after-a-conflict",
        f"{KUBE}.passes.status_writer:StatusWriter._refresh",
        "if self._cache.runs.put(found):",
        "if False:",
        "fc7b166: a run that was created again has another UID",
    ),
    Defect(
        "deletes-a-job-before-its-result-is-stored",
        f"{PLANNER}.plan:_plan",
        "tidy = removals(observed.attempts, run.status, planned)",
        "tidy = removals(observed.attempts, status, planned)",
        "8c58828: a status is lost only if a Job still knows it",
    ),
    Defect(
        "gives-a-stopped-attempt-s-number-again",
        f"{PLANNER}.stage_records:StageRecords.note_stops",
        "for attempt in attempts:",
        "for attempt in ():",
        "0740e1b: the next attempt after a stop has a new number",
    ),
    Defect(
        "forgets-a-stop-whose-status-was-lost",
        f"{PLANNER}.plan:_plan",
        "stage_records.note_stops(observed.stopped)",
        "",
        "an attempt that was stopped counts, also if the first status after it was lost",
    ),
    Defect(
        "counts-a-job-that-was-refused",
        f"{PLANNER}.stops:stopping",
        " and not a.rejected",
        "",
        "a Job that the API server has refused has used no number",
    ),
    Defect(
        "writes-with-the-cache-of-before-the-lease",
        f"{KUBE}.passes.fence:Fence.enter",
        "if since > self._renewed:",
        "if False:",
        "an operator that takes the Lease of another one lists before it writes",
    ),
    Defect(
        "starts-beside-a-job-that-stops",
        f"{PLANNER}.groups:_occupant",
        "attempt.state in (AttemptState.ACTIVE, AttemptState.TERMINATING)",
        "attempt.state is AttemptState.ACTIVE",
        "c262bfd: a terminating attempt occupies its stage",
    ),
    Defect(
        "takes-a-key-from-a-peer",
        f"{PLANNER}.peers:holder",
        "if not peer.working.isdisjoint(plans.keys):",
        "if False:",
        "c262bfd: a run that works on a key keeps it",
    ),
    Defect(
        "lets-two-runs-begin-together",
        f"{PLANNER}.peers:holder",
        "if older and not peer.wanted.isdisjoint(plans.keys):",
        "if False:",
        "c262bfd: the oldest run gets a key that several want",
    ),
    Defect(
        "claims-no-walk",
        f"{PLANNER}.peers:_working",
        "return {attempt.walk.claim, *(step.key for step in attempt.steps)}",
        "return {step.key for step in attempt.steps}",
        "aa0ead1: a Job claims the first key of its iteration",
    ),
    Defect(
        "walks-beside-the-job-of-a-stage",
        f"{PLANNER}.peers:holder",
        "plans.claim in peer.beside or",
        "",
        "this simulation, seed 4050: a Job for one stage did not stop the walk of a peer",
    ),
    Defect(
        "sleeps-as-long-as-the-clock-is-behind",
        f"{KUBE}.passes.reconciler:Reconciler._schedule",
        "min((until - self._now()).total_seconds(), self._config.timings.list_seconds)",
        "(until - self._now()).total_seconds()",
        "an earlier seed: a clock that jumped after a plan delayed a retry by 90 minutes",
    ),
    Defect(
        "retries-for-ever",
        f"{PLANNER}.restart:handled",
        "return _asked(run) or run.status.last_handled_retry",
        "return run.status.last_handled_retry",
        "c262bfd: only a new value of the annotation retries",
    ),
    Defect(
        "counts-an-end-in-each-plan",
        f"{PLANNER}.stage_records:StageRecords._close",
        "if attempt.number > self.record(s).attempts",
        "if attempt.number >= 0",
        "c262bfd: the end of an attempt counts once",
    ),
    Defect(
        "ends-a-run-whose-store-is-away",
        f"{PLANNER}.failure_policy:_by_exit_code",
        "return _stall(ending, Reason.STORE_UNREACHABLE)",
        "return FailureDecision(FailureAction.FAIL, Reason.STORE_UNREACHABLE)",
        "c262bfd: an unreachable store makes a run Stalled",
    ),
    Defect(
        "counts-a-disruption-as-a-failure",
        f"{PLANNER}.failure_policy:decide",
        "return FailureDecision(FailureAction.RETRY, Reason.DISRUPTED, delay)",
        "return FailureDecision(FailureAction.FAIL, Reason.DISRUPTED, delay)",
        "c262bfd: a disruption is retried",
    ),
    Defect(
        "forgets-the-commits-of-a-walk",
        f"{PLANNER}.stage_records:StageRecords._commit_walked",
        "if record.committed:",
        "if True:",
        "aa0ead1: each commit of a walk counts",
    ),
    Defect(
        "reads-no-result-of-a-failed-pod",
        f"{KUBE}.pods.pod_endings:how_ended",
        "over = [pod for pod in pods if pod.termination is not None]",
        "over = [pod for pod in pods if pod.phase == 'Succeeded']",
        "0740e1b: a pod that failed may have committed stages",
    ),
    Defect(
        "trusts-the-clock-about-a-job-that-is-over",
        f"{KUBE}.passes.attempts:inspection_due",
        "return None if observation is not None and observation.final else AT_ONCE",
        "return None if observation is not None and observation.final else job.created",
        "this simulation, seed 36: a slow clock hid the end of each Job for 90 minutes",
    ),
    Defect(
        "writes-without-the-lease",
        f"{KUBE}.passes.fence:Fence.enter",
        "wait = await self._lease.ensure()",
        "wait = 0.0",
        "fc7b166: the Lease was not checked before each write",
    ),
    Defect(
        "overwrites-a-status-it-has-not-read",
        f"{KUBE}.passes.status_writer:StatusWriter.write",
        '{"metadata": metadata, "status": patch}',
        '{"metadata": {}, "status": patch}',
        "0740e1b: a patch has the version that the pass read",
    ),
    Defect(
        "forgets-jobs-that-a-list-has-found",
        f"{KUBE}.cache.cache:Cache.replace_jobs",
        "self._jobs_of.setdefault(job.run_uid, set()).add(job.uid)",
        "pass",
        "fc7b166: a LIST brings Jobs that no watch has reported",
    ),
    Defect(
        "adopts-no-job-of-its-own",
        f"{KUBE}.passes.actions:Actions._adopt",
        "if same and found.readable:",
        "if False:",
        "0740e1b: a Job that was created before a crash is adopted",
    ),
    Defect(
        "stops-nothing-when-suspended",
        f"{PLANNER}.plan:_ending",
        "if spec.suspend:",
        "if False:",
        "c262bfd: a suspended run stops its attempts",
    ),
    Defect(
        "keeps-jobs-that-left-the-plan",
        f"{PLANNER}.stops:departed",
        "if not _has_place(a, walked, spec, resolved)",
        "if False",
        "c262bfd: an edit stops the attempts whose keys leave the plan",
    ),
    Defect(
        "returns-to-a-lost-node",
        f"{PLANNER}.groups:_started",
        "avoided_nodes=tuple(sorted(lost))",
        "avoided_nodes=()",
        "decision 0020: the attempt after a lost node excludes the node by its name",
    ),
    Defect(
        "waits-for-a-lost-node",
        f"{KUBE}.pods.lost_nodes:lost_nodes",
        "return _nodes(live) if all(_is_lost(pod, now) for pod in live) else ()",
        "return ()",
        "decision 0020: a node that does not answer held a run for two days",
    ),
    Defect(
        "counts-each-slow-stop-as-a-lost-node",
        f"{KUBE}.pods.lost_nodes:_is_lost",
        "return since is not None and now >= since + grace",
        "return since is not None",
        "decision 0020: a pod has its grace period",
    ),
    Defect(
        "leaves-a-job-in-the-old-queue",
        f"{KUBE}.passes.attempts:why_useless",
        "if job.readable and is_in_other_queue(job, kueue_labels):",
        "if False:",
        "a label set later creates the suspended Job again",
    ),
    Defect(
        "waits-for-nodes-that-it-avoids",
        f"{KUBE}.passes.attempts:why_useless",
        "if not lost.issuperset(job.avoided_nodes):",
        "if False:",
        "seed 1044: an attempt that avoided all nodes waited for ever after they answered again",
    ),
    Defect(
        "calls-a-queued-job-suspended-by-somebody",
        f"{KUBE}.passes.kueue:_without_workload",
        "if not job.queued:",
        "if True:",
        "a Job of a queue waits for Kueue, and nobody has suspended it",
    ),
    Defect(
        "charges-a-pod-again-at-each-look",
        f"{PLANNER}.gpu_accounting:_seen",
        "charges += _charge(entry, seconds - entry.pods.get(name, 0.0))",
        "charges += _charge(entry, seconds)",
        "the GPU time of a pod is charged once",
    ),
    Defect(
        "charges-a-pod-that-another-operator-has-charged",
        f"{PLANNER}.gpu_accounting:_seen",
        "totals |= {name: entry.pods[name] for name in forgotten}",
        "pass",
        "an earlier seed, 20058: two replicas charged a pod that only one of them knew twice",
    ),
    Defect(
        "says-that-a-finalizer-keeps-a-job-that-is-gone",
        f"{KUBE}.passes.reconciler:Reconciler._inspect_pods",
        "await self._unseen.read(job)",
        "pass",
        "an earlier seed, 20046: no watch had reported the end of a deleted Job",
    ),
    Defect(
        "calls-a-node-silent-while-it-kills-a-pod",
        f"{KUBE}.pods.lost_nodes:_silent_since",
        "now >= pod.gone_by + KILL_TIME",
        "now >= pod.gone_by",
        "an earlier seed, 20058: a worker needed its whole grace period",
    ),
    Defect(
        "keeps-an-idle-plan-when-the-clock-is-set-back",
        f"{KUBE}.passes.memory:IdlePlan.holds",
        "self.since <= now",
        "True",
        "this simulation: a wait lasted as long as the clock had been ahead",
    ),
    Defect(
        "walks-to-the-stages-of-a-whole-run",
        f"{PLANNER}.peers:_may_meet",
        "if not plans.reach.isdisjoint(peer.reach.walking):",
        "if False:",
        "f23b7cb: a Job of a whole run walks on to stages that a peer wants",
    ),
    Defect(
        "starts-beside-a-job-without-labels",
        f"{KUBE}.cache.cache:Cache._note_lost",
        "if not job.deleting:",
        "if False:",
        "eba4fab: a Job whose labels somebody had removed worked beside the next one",
    ),
)
