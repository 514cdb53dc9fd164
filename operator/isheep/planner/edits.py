"""What an edit of a spec changes: the fields that differ, and the stages that depend on them.

The key of a stage contains everything that its output depends on. So the fields that a stage
depends on need no table: each changed field alone is put into the spec of before, and the stages
whose keys change are the stages that depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.prepared import Prepared
from isheep.planner.seen_fields import ONE_OF
from isheep.planner.walk import walk
from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.interface import Recipe, Stage, Statistics
from isheep.recipes.prediction import best_result

Path = tuple[str, ...]

READ_BY_PREPARE = (
    "model",
    "judge",
    "seedTasks",
    "promptsRef",
    "language",
    "engine",
    "instructions.examplesPerPrompt",
    "instructions.sampling",
    "curation.decontamination",
    "evaluation",
    "responses",
    "assessment",
    "selection.method",
    "selection.perplexity",
    "selection.random",
    "yardstick",
    "selfInstruct",
    "alpaca",
    "dromedary",
)
"""Fields from which prepare computes its result. A result of prepare holds while they are equal."""


def changed_fields(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that differ between two resolved specs, as dotted paths, sorted.

    Fields that no data depends on, such as those of `compute`, are left out.
    """
    old, new = (data_fields(SelfAlignmentRunSpec.read_stored(dict(d))) for d in (before, now))
    return tuple(sorted(".".join(path) for path in _changed(old, new, ())))


def prepare_can_differ(fields: Sequence[str]) -> tuple[str, ...]:
    """Return those of the changed fields that prepare computes its result from."""
    return tuple(
        field
        for field in fields
        if any(field == read or field.startswith(f"{read}.") for read in READ_BY_PREPARE)
    )


@dataclass(frozen=True, slots=True)
class Basis:
    """What the keys before and after an edit have in common.

    `prepared` returns the result of prepare for a spec; None if it cannot be expected. `results`
    has the results of the run of before, by stage id.
    """

    recipe: Recipe
    prepared: Callable[[SelfAlignmentRunSpec], Prepared | None]
    versions: Mapping[str, int]
    results: Mapping[str, Statistics]


def causes(
    before: Mapping[str, Any], now: Mapping[str, Any], basis: Basis
) -> dict[str, tuple[str, ...]]:
    """Return, by stage id, the changed fields that give a stage another key.

    If only several fields together change a key, the stage has all changed fields.

    Args:
        before: The resolved spec of before the edit.
        now: The resolved spec of after the edit.
        basis: What both have in common.
    """

    def keys(document: Mapping[str, Any]) -> Mapping[str, str]:
        spec = SelfAlignmentRunSpec.read_stored(dict(document))

        def result(stage: Stage, _key: str) -> Statistics:
            return basis.results.get(stage.id) or best_result(stage, spec)

        return walk(basis.recipe, spec, basis.prepared(spec), basis.versions, result).keys

    fields = changed_fields(before, now)
    old, new = keys(before), keys(now)
    alone: dict[str, Mapping[str, str]] = {}
    for field in fields:
        try:
            alone[field] = keys(_with(before, now, tuple(field.split("."))))
        except ValidationError:
            continue  # The field is valid only together with another one.
    return {
        id_: tuple(f for f, made in alone.items() if made.get(id_) != old.get(id_)) or fields
        for id_, key in new.items()
        if old.get(id_) != key
    }


def _changed(before: Any, now: Any, path: Path) -> Iterator[Path]:
    one_value = bool(path) and path[0] in ONE_OF
    if isinstance(before, Mapping) and isinstance(now, Mapping) and not one_value:
        for name in before.keys() | now.keys():
            yield from _changed(before.get(name), now.get(name), (*path, name))
    elif before != now:
        yield path


def _with(before: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return `before` with the value of `now` in one field."""
    name, *rest = path
    copy = dict(before)
    if rest and isinstance(before.get(name), Mapping):
        copy[name] = _with(before[name], now.get(name) or {}, tuple(rest))
    elif name in now:
        copy[name] = now[name]
    else:
        copy.pop(name, None)
    return copy
