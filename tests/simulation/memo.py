"""Memory for pure functions: a simulation calls them a hundred times with equal values.

Three quarters of the time of a plan are spent to read the same spec and status again, and to walk
through the same stages again. The results are immutable, so one result can serve all calls.
`--no-memo` switches the memory off, and a test compares the histories with and without it. The
memory stores what the recipe yields for each sequence of results, so it knows no stage itself.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from pydantic import BaseModel

from isheep.api.base import SpecModel
from isheep.planner import walk as walk_module
from isheep.planner.pinning import Resolved
from isheep.recipes.registry import RECIPES

MAX_ENTRIES = 20_000


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Remember parsed specs and statuses, the stages of recipes, and the keys of stages."""
    with contextlib.ExitStack() as stack:
        texts: dict[tuple[type, str], Any] = {}
        for model, name in ((SpecModel, "read_stored"), (Resolved, "model_validate")):
            original = getattr(model, name).__func__
            stack.enter_context(patch.object(model, name, _parser(original, texts)))
        for recipe in {type(recipe) for recipe in RECIPES.values()}:
            stages = _RememberedStages(recipe.stages).method()
            stack.enter_context(patch.object(recipe, "stages", stages))
        key = _remembered_key(walk_module.stage_key)
        stack.enter_context(patch.object(walk_module, "stage_key", key))
        yield


def _parser(original: Any, found: dict[tuple[type, str], Any]) -> Any:
    def parse(cls: type, document: Any, **options: Any) -> Any:
        key = (cls, json.dumps(document))
        if options or key not in found:
            if len(found) > MAX_ENTRIES:
                found.clear()
            found[key] = original(cls, document, **options)
        return found[key]

    return classmethod(parse)


def _remembered_key(original: Any) -> Any:
    # The stage is kept with its key, so that no other stage can get its id().
    found: dict[tuple[int, int, str], tuple[Any, str]] = {}

    def stage_key(stage: Any, version: int, inputs: Any) -> str:
        place = (id(stage), version, str(inputs))
        if place not in found:
            if len(found) > MAX_ENTRIES:
                found.clear()
            found[place] = (stage, original(stage, version, inputs))
        return found[place][1]

    return stage_key


@dataclass
class _Node:
    """What a recipe yields after a sequence of results: a stage, or its end."""

    stage: Any = None
    end: Any = None
    children: dict[str, _Node] = field(default_factory=dict)


class _RememberedStages:
    """The stages of a recipe for each spec, result of prepare, and sequence of results."""

    def __init__(self, original: Any) -> None:
        self._original = original
        self._roots: dict[tuple[str, str], _Node] = {}
        self._texts: dict[int, tuple[Any, str]] = {}

    def method(self) -> Any:
        """Return a method that replaces `stages`."""

        def stages(recipe: Any, spec: Any, prepared: Any) -> Generator[Any, Any, Any]:
            place = (self._text(spec), self._text(prepared))
            node = self._roots.get(place)
            if node is None:
                node = self._roots[place] = self._step(recipe, spec, prepared, [])
            results: list[Any] = []
            while node.stage is not None:
                result = yield node.stage
                results.append(result)
                text = str(result)
                if text not in node.children:
                    node.children[text] = self._step(recipe, spec, prepared, results)
                node = node.children[text]
            return node.end

        return stages

    def _step(self, recipe: Any, spec: Any, prepared: Any, results: list[Any]) -> _Node:
        generator = self._original(recipe, spec, prepared)
        try:
            stage = next(generator)
            for result in results:
                stage = generator.send(result)
        except StopIteration as stop:
            return _Node(end=stop.value)
        return _Node(stage)

    def _text(self, model: BaseModel | None) -> str:
        if model is None:
            return ""
        if id(model) not in self._texts:
            if len(self._texts) > MAX_ENTRIES:
                self._texts.clear()
            self._texts[id(model)] = (model, model.model_dump_json())
        return self._texts[id(model)][1]
