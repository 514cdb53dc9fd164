"""Memory for pure functions: a simulation calls them a hundred times with equal values.

Three quarters of the time of a plan are spent to read the same spec and status again, and to walk
through the same stages again. The results are immutable, so one result can serve all calls.
`--no-memo` switches the memory off, and a test compares the histories with and without it. The
memory stores what the recipe yields for each sequence of results, so it knows no stage itself.

With the memory, the operator also receives the documents of the API server themselves, and not
copies that pass through JSON. Neither side changes a document.
"""

from __future__ import annotations

import contextlib
import copy
import json
import marshal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from pydantic import BaseModel

from isheep.api.base import SpecModel
from isheep.api.status import SelfAlignmentRunStatus
from isheep.kube import client as client_module
from isheep.kube import names as names_module
from isheep.kube.cache import records as records_module
from isheep.kube.passes import reconciler as reconciler_module
from isheep.kube.pods import pod_endings as pod_endings_module
from isheep.planner import walk as walk_module
from isheep.planner.orders import NO_RECIPE_READS
from isheep.planner.pinning import Resolved
from isheep.recipes.registry import RECIPES

from . import connection, informer
from .api_server import Answer, Json
from .memo_walks import RememberedWalks, replacements

MAX_ENTRIES = 20_000
MAX_DOCUMENTS = 400
"""Documents are the same objects only within a seed, so a few are enough."""
MAX_NODES = 60_000
MAX_STATUSES = 8
READERS = ("job_record", "pod_record")
UNREAD = {*NO_RECIPE_READS, "suspend", "active_deadline_seconds"}
"""Fields of the spec that no recipe reads, so that runs with different ones share their stages."""
WALKS = ("isheep.planner.walk", "isheep.planner.keys")
"""The modules whose functions are remembered over many simulations."""
ValueT = TypeVar("ValueT")


class Memory:
    """What is the same in each simulation: parsed specs, stages of recipes, walks and keys.

    It depends on the recipes, and on the two modules `WALKS` of the planner.
    """

    def __init__(self) -> None:
        self.specs: dict[tuple[type, bytes], Any] = {}
        self.text = _Texts().of
        self.stages = {
            recipe: _RememberedStages(recipe.stages, self.text)
            for recipe in {type(recipe) for recipe in RECIPES.values()}
        }
        self._forget_walks()

    def _forget_walks(self) -> None:
        self.walk = RememberedWalks(walk_module.walk, self.text).walk
        self.key = _remembered_key(walk_module.stage_key)

    def without(self, place: str) -> Memory:
        """Return what does not depend on the function at `place`, of the planner or operator."""
        if place.partition(":")[0] not in WALKS:
            return self
        left = copy.copy(self)
        left._forget_walks()
        return left


@contextlib.contextmanager
def remembered(memory: Memory | None = None) -> Iterator[None]:
    """Remember what pure functions return; `memory` is that of earlier simulations."""
    memory = memory or Memory()
    with contextlib.ExitStack() as stack:
        pinned: dict[tuple[type, bytes], Any] = {}
        statuses = _Statuses(SelfAlignmentRunStatus.document)
        for model, name, found in (
            (SpecModel, "read_stored", memory.specs),
            (Resolved, "model_validate", pinned),
        ):
            original = getattr(model, name).__func__
            stack.enter_context(patch.object(model, name, _parser(original, found, statuses)))
        for recipe, stages in memory.stages.items():
            stack.enter_context(patch.object(recipe, "stages", stages.method()))
        for module, name, replacement in replacements(memory.walk):
            stack.enter_context(patch.object(module, name, replacement))
        stack.enter_context(patch.object(Resolved, "document", _of_identity(Resolved.document)))
        stack.enter_context(patch.object(SelfAlignmentRunStatus, "document", statuses.method()))
        stack.enter_context(patch.object(walk_module, "stage_key", memory.key))
        stack.enter_context(_shared_documents())
        yield


@contextlib.contextmanager
def _shared_documents() -> Iterator[None]:
    """Hand documents of the API server to the operator without copies."""
    documents = _Documents(records_module._compact)
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(informer, "received", lambda document: document))
        stack.enter_context(patch.object(connection, "content_of", _Body))
        stack.enter_context(patch.object(records_module, "_compact", documents.compact))
        for module, name in _readers():
            once = _of_identity(getattr(module, name))
            stack.enter_context(patch.object(module, name, once))
        read = SimpleNamespace(loads=documents.loads, dumps=json.dumps)
        for module in (records_module, reconciler_module, names_module):
            stack.enter_context(patch.object(module, "json", read))
        stack.enter_context(patch.object(client_module, "json", SimpleNamespace(loads=_body_of)))
        yield


def _readers() -> Iterator[tuple[ModuleType, str]]:
    """Yield the functions of the operator that read documents, by the modules that call them.

    The operator gets a document several times: in the answer to its own write, from a watch and in
    each LIST. And all versions of a Job share their template and annotations.
    """
    for name in ("_whole_record", "_gpus", "_steps", "read_walk"):
        yield records_module, name
    yield pod_endings_module, "read_result"
    for place, module in list(sys.modules.items()):
        if place.startswith("isheep.kube."):
            yield from ((module, name) for name in READERS if hasattr(module, name))


class _Documents:
    """The JSON of specs and statuses, and the values that each of these texts stands for."""

    def __init__(self, original: Callable[[Any], bytes]) -> None:
        self._original = original
        self._compact = _of_identity(self._written)
        self._loads = lru_cache(MAX_DOCUMENTS)(json.loads)
        # A text is kept with its value, so that no other text can get its id().
        self._values: dict[int, tuple[bytes, Any]] = {}

    def compact(self, value: Any) -> bytes:
        """Return a value as JSON."""
        return self._compact(value)

    def loads(self, text: Any) -> Any:
        """Return the value of a text."""
        known = self._values.get(id(text))
        return self._loads(text) if known is None else known[1]

    def _written(self, value: Any) -> bytes:
        if len(self._values) > MAX_DOCUMENTS:
            self._values.clear()
        text = self._original(value)
        self._values[id(text)] = (text, dict(value))
        return text


class _Body:
    """The body of an answer in the place of its JSON."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def __len__(self) -> int:
        # The operator asks for larger pages after small ones; no simulation needs a second page.
        return 1


def _body_of(content: _Body) -> Json:
    return content.answer.body


def _of_identity(original: Callable[[Any], ValueT]) -> Callable[[Any], ValueT]:
    """Remember the results of a function for the same, and not only equal, values."""
    # A value is kept with its result, so that no other value can get its id().
    found: dict[int, tuple[Any, ValueT]] = {}

    def remembering(value: Any) -> ValueT:
        known = found.get(id(value))
        if known is None:
            if len(found) > MAX_DOCUMENTS:
                found.clear()
            known = found[id(value)] = (value, original(value))
        return known[1]

    return remembering


class _Statuses:
    """The last statuses that the operator has made, which it reads again after it stored them."""

    def __init__(self, original: Callable[[SelfAlignmentRunStatus], Json]) -> None:
        self._original = original
        self._made: deque[tuple[Json, SelfAlignmentRunStatus]] = deque(maxlen=MAX_STATUSES)

    def method(self) -> Any:
        """Return a method that replaces `document`."""

        def document(status: SelfAlignmentRunStatus) -> Json:
            found = self._original(status)
            self._made.appendleft((found, status))
            return found

        return document

    def of(self, document: Any) -> SelfAlignmentRunStatus | None:
        """Return the status with this document, if it is one of them."""
        return next((status for made, status in self._made if made == document), None)


def _parser(original: Any, found: dict[tuple[type, bytes], Any], statuses: _Statuses) -> Any:
    same: dict[tuple[type, int], tuple[Any, Any]] = {}

    def parse(cls: type, document: Any, **options: Any) -> Any:
        if options:
            return original(cls, document, **options)
        known = same.get((cls, id(document)))
        if known is None:
            if len(same) > MAX_DOCUMENTS:
                same.clear()
            if issubclass(cls, SelfAlignmentRunStatus):
                # It has times and UIDs, so a status of another seed is not equal.
                value = statuses.of(document) or original(cls, document)
            else:
                value = of_equal(cls, document)
            known = same[cls, id(document)] = (document, value)
        return known[1]

    def of_equal(cls: type, document: Any) -> Any:
        key = (cls, _dumped(document))
        if key not in found:
            if len(found) > MAX_ENTRIES:
                found.clear()
            found[key] = original(cls, document)
        return found[key]

    return classmethod(parse)


def _dumped(document: Any) -> bytes:
    """Return bytes that are equal only for equal JSON values; marshal is faster than json."""
    try:
        # Version 2 writes equal values alike; later ones also write which objects are the same.
        return marshal.dumps(document, 2)
    except ValueError:
        return json.dumps(document).encode()


def _remembered_key(original: Any) -> Any:
    # The stage is kept with its key, so that no other stage can get its id().
    found: dict[tuple[Any, ...], tuple[Any, str]] = {}

    def stage_key(stage: Any, version: int, inputs: Any) -> str:
        place = (id(stage), version, *inputs, *map(tuple, inputs.values()))
        known = found.get(place)
        if known is None:
            if len(found) > MAX_ENTRIES:
                found.clear()
            known = found[place] = (stage, original(stage, version, inputs))
        return known[1]

    return stage_key


class _Texts:
    """The JSON of the parts of specs and prepared values that recipes read."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Any, str]] = {}

    def of(self, model: BaseModel | None) -> str:
        """Return the JSON of a model; it is remembered for the same object."""
        if model is None:
            return ""
        known = self._texts.get(id(model))
        if known is None:
            if len(self._texts) > MAX_ENTRIES:
                self._texts.clear()
            known = self._texts[id(model)] = (model, model.model_dump_json(exclude=UNREAD))
        return known[1]


@dataclass(slots=True)
class _Node:
    """What a recipe yields after a sequence of results: a stage, or its end.

    `generator` is the recipe at this stage, until somebody sends it the next result.
    """

    stage: Any = None
    end: Any = None
    children: dict[Any, _Node] = field(default_factory=dict)
    generator: Any = None


class _RememberedStages:
    """The stages of a recipe for each spec, result of prepare, and sequence of results."""

    def __init__(self, original: Any, text: Callable[[Any], str]) -> None:
        self._original, self._text = original, text
        self._roots: dict[tuple[str, str], _Node] = {}
        self._nodes = 0

    def method(self) -> Any:
        """Return a method that replaces `stages`."""

        def stages(recipe: Any, spec: Any, prepared: Any) -> Generator[Any, Any, Any]:
            place = (self._text(spec), self._text(prepared))
            node = self._roots.get(place)
            if node is None:
                node = self._begun(recipe, spec, prepared)
                self._roots[place] = node
            results: list[Any] = []
            while node.stage is not None:
                result = yield node.stage
                results.append(result)
                key = None if result is None else tuple(result.items())
                child = node.children.get(key)
                if child is None:
                    child = self._next(node, recipe, spec, prepared, results)
                    node.children[key] = child
                node = child
            return node.end

        return stages

    def _begun(self, recipe: Any, spec: Any, prepared: Any) -> _Node:
        if self._nodes > MAX_NODES:
            self._roots.clear()
            self._nodes = 0
        generator = self._original(recipe, spec, prepared)
        return self._node(generator, lambda: next(generator))

    def _next(
        self, node: _Node, recipe: Any, spec: Any, prepared: Any, results: list[Any]
    ) -> _Node:
        """Return what follows after the last result."""
        generator, node.generator = node.generator, None
        if generator is None:
            # Another result has been sent to the generator of this node.
            generator = self._original(recipe, spec, prepared)
            next(generator)
            for result in results[:-1]:
                generator.send(result)
        return self._node(generator, lambda: generator.send(results[-1]))

    def _node(self, generator: Any, step: Callable[[], Any]) -> _Node:
        self._nodes += 1
        try:
            return _Node(step(), generator=generator)
        except StopIteration as stop:
            return _Node(end=stop.value)
