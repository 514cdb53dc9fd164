"""Memory for walks: what a walk returned for a spec and for the results that its lookup gave.

A plan walks through the same stages two or three times, and most results are the same in each seed,
because they depend on keys alone. So a walk that asks for known results gets the walk of the first
time. The lookup is called for each stage in the same order, because it may note a commit.

A walk that is the same object also serves as the key of what is computed from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from isheep.kube.passes import neighbours, reconciler
from isheep.planner import frontier, job_stages, orders, plan, reach, stage_records, status
from isheep.planner import walk as walk_module
from isheep.planner.walk import Walk

from ..unit.isheep.planner import walking_workers

USERS = (frontier, plan, reach, stage_records, walk_module, walking_workers)
"""The modules that call `walk` by this name."""
MAX_WALKS = 20_000
MAX_VALUES = 20_000
NOT_ASKED = object()


@dataclass(slots=True)
class _Place:
    """A stage that a walk looks up, and what follows for each result: a stage, or the walk."""

    stage: Any
    key: str
    children: dict[Any, _Place | Walk] = field(default_factory=dict)


class RememberedWalks:
    """Replaces `walk`; `text` returns the part of a model on which stages depend."""

    def __init__(self, original: Callable[..., Walk], text: Callable[[Any], str]) -> None:
        self._original, self._text = original, text
        self._roots: dict[Any, _Place | Walk] = {}
        self._walks = 0

    def walk(
        self, recipe: Any, spec: Any, prepared: Any, versions: Mapping[str, int], lookup: Any
    ) -> Walk:
        """Walk as the original does."""
        root = (type(recipe), self._text(spec), self._text(prepared), *versions.items())
        place = self._roots.get(root)
        results: list[Any] = []
        while isinstance(place, _Place):
            results.append(lookup(place.stage, place.key))
            place = place.children.get(_key(results[-1]))
        if place is not None:
            return place
        asked = iter(results)
        path: list[tuple[Any, str, Any]] = []

        def note(stage: Any, key: str) -> Any:
            # The lookup has answered for the stages that were known.
            found = next(asked, NOT_ASKED)
            if found is NOT_ASKED:
                found = lookup(stage, key)
            path.append((stage, key, _key(found)))
            return found

        made = self._original(recipe, spec, prepared, versions, note)
        self._keep(root, path, made)
        return made

    def _keep(self, root: Any, path: list[tuple[Any, str, Any]], made: Walk) -> None:
        if self._walks > MAX_WALKS:
            self._roots.clear()
            self._walks = 0
        self._walks += 1
        children, position = self._roots, root
        for stage, key, result in path:
            place = children.get(position)
            if not isinstance(place, _Place):
                place = children[position] = _Place(stage, key)
            children, position = place.children, result
        children[position] = made


def _key(result: Mapping[str, float] | None) -> Any:
    return None if result is None else tuple(result.items())


def by_identity(original: Callable[..., Any], keys: Callable[..., Any] | None = None) -> Any:
    """Remember the results of a pure function for the same objects as arguments.

    Args:
        original: The function.
        keys: Returns the arguments that count, if the function does not read all of them.
    """
    # The arguments are kept with the result, so that no other object can get the id() of one.
    found: dict[tuple[int | str, ...], tuple[Any, Any]] = {}

    def remembering(*arguments: Any, **options: Any) -> Any:
        counting = keys(*arguments, **options) if keys else (*arguments, *options.values())
        place = tuple([one if type(one) is str else id(one) for one in counting])
        known = found.get(place)
        if known is None:
            if len(found) > MAX_VALUES:
                found.clear()
            known = found[place] = (counting, original(*arguments, **options))
        return known[1]

    return remembering


def _of_members(original: Callable[[list[Any]], str]) -> Callable[[list[Any]], str]:
    """Remember the text of a list for the same members."""
    of_members = by_identity(lambda *members: original(list(members)))
    return lambda members: of_members(*members)


def replacements(walk: Callable[..., Walk]) -> Iterator[tuple[Any, str, Any]]:
    """Yield the module, the name and the replacement of each function that is remembered.

    `walk` replaces the planner's `walk`.
    """
    for module in USERS:
        yield module, "walk", walk
    yield reconciler, "attempt_of", by_identity(reconciler.attempt_of)
    yield plan, "resolve_store", by_identity(plan.resolve_store)
    of_place = by_identity(neighbours.scope_of, lambda run, store: (run.namespace, run.spec, store))
    yield neighbours, "scope_of", of_place
    of_job = by_identity(job_stages.job_of)
    for module in (reach, job_stages):
        yield module, "job_of", of_job
    yield reach, "json", SimpleNamespace(loads=json.loads, dumps=_of_members(json.dumps))
    yield orders, "expected_job", by_identity(orders.expected_job)
    yield status, "_history", by_identity(status._history)
    yield status, "best_record", by_identity(status.best_record)
    # Of the installation, only whether it starts pods has an effect on the groups.
    of_groups = by_identity(plan.ready_groups, lambda walked, spec, env: (walked, spec, env.pods))
    yield plan, "ready_groups", lambda *arguments: list(of_groups(*arguments))
