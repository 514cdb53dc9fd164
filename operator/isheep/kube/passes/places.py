"""Places: which runs of each namespace work, and which ones wait until fewer runs work.

As with the claims of keys, each pass states the place of its run right after planning and before
its first await. So of two runs that are planned at the same moment, the second one sees the place
that the first has taken, and there are never more working runs than the limit. A pass that fails
after it took a place keeps the place, because its Job may exist.

When a place becomes free, the runs that can have it are woken at once. The other runs that wait are
woken later, because only the text about their place in the queue has changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from isheep.planner.run_limit import contender_of, has_pods, keeps_place, next_ones
from isheep.planner.types import Attempt, Contender, Plan, RunView, Start

NEWS_SECONDS = 60.0
"""How long the status of a run that waits may show an earlier place in the queue."""

Wakes = dict[str, float]
"""The runs that should plan again, by UID, with the delay in seconds."""


class Places:
    """The runs that work and that wait, by namespace and UID; empty without a limit."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._of: dict[str, dict[str, Contender]] = {}

    def contenders(self, namespace: str, uid: str) -> tuple[Contender, ...]:
        """Return the other runs of a namespace."""
        return tuple(one for one in self._of.get(namespace, {}).values() if one.uid != uid)

    def works(self, namespace: str, uid: str) -> bool:
        """Return whether a run has a place."""
        found = self._of.get(namespace, {}).get(uid)
        return found is not None and found.works

    def waits(self, namespace: str, uid: str) -> bool:
        """Return whether a run waits for a place."""
        found = self._of.get(namespace, {}).get(uid)
        return found is not None and not found.works

    def expect(self, run: RunView, attempts: Iterable[Attempt]) -> Wakes:
        """Add a run that has had no plan yet, as its status shows it; return whom to wake."""
        if self._limit is None or run.uid in self._of.get(run.namespace, {}):
            return {}
        return self._put(run.namespace, run.uid, contender_of(run, attempts))

    def state(self, run: RunView, plan: Plan, attempts: Iterable[Attempt]) -> Wakes:
        """State the place of a run after a plan; return the runs that should plan again."""
        if self._limit is None:
            return {}
        starts = any(isinstance(action, Start) for action in plan.actions)
        works = starts or has_pods(attempts)
        if not works and not plan.waits_for_place and not run.deleting:
            held = self.works(run.namespace, run.uid) or keeps_place(run.status)
            works = held and keeps_place(plan.status)
        if not works and not plan.waits_for_place:
            return self._put(run.namespace, run.uid, None)
        one = Contender(run.name, run.uid, run.created, works=works)
        return self._put(run.namespace, run.uid, one)

    def inherit(self, namespace: str, one: Contender) -> None:
        """Add a run that was deleted before this operator started, and whose Jobs still run."""
        if self._limit is not None:
            self._put(namespace, one.uid, one)

    def leave(self, uid: str, *, works: bool) -> Wakes:
        """State that a run is deleted or rests; it keeps its place while its Jobs have pods."""
        namespace = next((n for n, runs in self._of.items() if uid in runs), None)
        if namespace is None:
            return {}
        known = self._of[namespace][uid]
        return self._put(namespace, uid, replace(known, works=True) if works else None)

    def reset(self, run: RunView, attempts: Iterable[Attempt]) -> None:
        """State the place of a run whose pass could not write, as its status shows it.

        Another operator may have given the place to another run. Nobody is woken, because no run
        could use a place now.
        """
        if self._limit is not None:
            self._put(run.namespace, run.uid, contender_of(run, attempts))

    def _put(self, namespace: str, uid: str, one: Contender | None) -> Wakes:
        runs = self._of.setdefault(namespace, {})
        before = runs.pop(uid, None)
        if one is not None:
            runs[uid] = one
        if not runs:
            del self._of[namespace]
        if before == one or self._limit is None:
            return {}
        waiting = {other.uid: NEWS_SECONDS for other in runs.values() if not other.works}
        waiting |= {other.uid: 0.0 for other in next_ones(runs.values(), self._limit)}
        waiting.pop(uid, None)
        return waiting
