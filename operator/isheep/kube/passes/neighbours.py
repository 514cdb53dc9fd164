"""The other runs of a namespace, as a plan needs them: the keys they work on, and their places.

`claims` explains the keys, and `places` the places. Both are stated right after a plan, and this
module wakes the runs that a statement lets go on.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from isheep.kube.cache.cache import Cache
from isheep.kube.cache.records import RunRecord
from isheep.kube.cache.run_views import view_of
from isheep.kube.config import OperatorConfig
from isheep.kube.passes.attempts import attempt_of
from isheep.kube.passes.claims import Claims, Scope, scope_of
from isheep.kube.passes.left_jobs import keys_at_work, next_lost_at, walk_on
from isheep.kube.passes.places import Places, Wakes
from isheep.kube.queue import WorkQueue
from isheep.planner.types import Attempt, Contender, Observed, Peer, Plan, RunView

_LOG = logging.getLogger(__name__)


class Neighbours:
    """What the runs of each namespace know about each other."""

    def __init__(self, cache: Cache, queue: WorkQueue, config: OperatorConfig) -> None:
        self._cache = cache
        self._queue = queue
        self._default_store = config.default_store
        self._claims = Claims()
        self._places = Places(config.limits.runs_per_namespace)

    def prime(
        self, namespace: str | None, now: datetime, uids: Collection[str] | None = None
    ) -> None:
        """State keys and places of the runs of a namespace, before the next plan of one.

        Without `uids` these are all runs, and those that are deleted while their Jobs still run.
        """
        active = [run for run in self._cache.runs if not run.rests]
        for record in active:
            if namespace in (None, record.namespace) and (uids is None or record.uid in uids):
                self._prime(record)
        if uids is not None:
            return
        gone = {job.run_uid for job in self._cache.jobs} - {run.uid for run in active}
        for uid in gone:
            jobs = self._cache.jobs_of(uid)
            if working := keys_at_work(jobs, now):
                oldest = jobs[0]
                if namespace not in (None, oldest.namespace):
                    continue
                peer = Peer(oldest.run, uid, oldest.created, frozenset(working), frozenset())
                self._claims.inherit(oldest.namespace, peer)
                one = Contender(oldest.run, uid, oldest.created, works=True)
                self._places.inherit(oldest.namespace, one)

    def _prime(self, record: RunRecord) -> None:
        """State keys and place of a run; one that cannot be planned keeps no other run from it."""
        try:
            view = view_of(record)
            jobs = self._cache.jobs_of(record.uid)
            attempts = [attempt_of(job, None) for job in jobs if job.readable]
            self._claims.state(self._scope(view), view, attempts, ())
            self._places.expect(view, attempts)
        except Exception:  # noqa: BLE001 (anybody may have written the run)
            _LOG.exception("the stages of %s/%s are not known", record.namespace, record.name)

    def expect(self, view: RunView, attempts: Sequence[Attempt]) -> None:
        """Add a run before its first plan, so that no younger run takes its place."""
        self._wake(self._places.expect(view, attempts))

    def observed(
        self, view: RunView, shown: tuple[Attempt, ...], stopped: tuple[Attempt, ...] = ()
    ) -> Observed:
        """Return what a plan of a run observes.

        `shown` are its attempts, and `stopped` those that the stored status may not count yet.
        """
        return Observed(
            shown,
            self._claims.peers(self._scope(view), view.uid),
            self._places.contenders(view.namespace, view.uid),
            self._places.works(view.namespace, view.uid),
            stopped,
        )

    def state(
        self, before: RunView, planned: RunView, plan: Plan, attempts: Sequence[Attempt]
    ) -> None:
        """State keys and place of a run after a plan; `planned` has the status of the plan."""
        for other in self._claims.state(self._scope(planned), planned, attempts, plan.actions):
            self._queue.wake(other)
        self._wake(self._places.state(before, plan, attempts))

    def waits(self, view: RunView) -> bool:
        """Return whether a run waits for another run."""
        return self._claims.waits(view.uid) or self._places.waits(view.namespace, view.uid)

    def leave(self, uid: str, now: datetime) -> None:
        """State that a run is deleted or rests; its Jobs may still have pods."""
        jobs = self._cache.jobs_of(uid)
        working = keys_at_work(jobs, now)
        for other in self._claims.leave(uid, working, walks=walk_on(jobs, now)):
            self._queue.wake(other)
        self._wake(self._places.leave(uid, works=bool(working)))
        if (lost := next_lost_at(jobs, now)) is not None:
            self._queue.wake(uid, (lost - now).total_seconds())

    def free_place(self, uid: str) -> None:
        """State that a run cannot use its place."""
        self._wake(self._places.leave(uid, works=False))

    def reset_place(self, view: RunView, attempts: Sequence[Attempt]) -> None:
        """State the place of a run whose pass may not write, as its status shows it."""
        self._places.reset(view, attempts)

    def _wake(self, wakes: Wakes) -> None:
        for uid, delay in wakes.items():
            self._queue.wake(uid, delay)

    def _scope(self, view: RunView) -> Scope:
        return scope_of(view, self._default_store)
