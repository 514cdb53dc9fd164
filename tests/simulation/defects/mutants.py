"""Mutants: single changes of the planner's and the operator's source, drawn at random.

The tool changes one comparison, condition, constant or statement of a function, as mutation testing
tools do. It draws from the lines that the simulations of a pool execute, at most one mutant of a
function. What no invariant can read is left out: logs, metrics, traces and texts (`unread`), and
the modules that make nothing else.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import inspect
import pkgutil
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType

import isheep.kube
import isheep.planner

from .replacement import Position, compiled, function_at, position_in, replaced, source_of
from .unread import unread

SKIPPED = (
    # Metrics, traces and Events: programs and people read them, and no decision depends on them.
    *("metrics", "state_metrics", "run_figures", "traces", "tracing", "spans", "events"),
    # The client of the API server: the simulation replaces what is behind it, and has no TLS, no
    # proxy and one page in each LIST. The tests with a real API server are its tests.
    "client",
)
_SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """The n-th possible change of a function."""

    place: str
    number: int
    text: str

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """Change the function for a while."""
        function = function_at(self.place)
        tree = ast.parse(source_of(function))
        _changes(tree)[self.number].make()
        with replaced(function, compiled(ast.fix_missing_locations(tree), function)):
            yield

    def position(self) -> Position:
        """Return where the mutant is in the source."""
        function = function_at(self.place)
        return position_in(function, _changes(ast.parse(source_of(function)))[self.number].line)

    @property
    def name(self) -> str:
        """The place and the change."""
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class _Change:
    """A possible change: its line in the function's source, its description, and what makes it."""

    line: int
    text: str
    make: Callable[[], None]


def draw(seed: int, count: int, executed: Mapping[str, Collection[int]]) -> list[Mutant]:
    """Draw mutants of executed lines, at most one of a function."""
    chance = random.Random(seed)
    places = sorted(_places())
    chance.shuffle(places)
    found: list[Mutant] = []
    for place in places:
        function = function_at(place)
        lines = executed.get(function.__code__.co_filename, ())
        first = function.__code__.co_firstlineno - 1
        changes = _changes(ast.parse(source_of(function)))
        numbers = [n for n, change in enumerate(changes) if first + change.line in lines]
        if numbers and len(found) < count:
            number = chance.choice(numbers)
            found.append(Mutant(place, number, changes[number].text))
    return found


def _places() -> Iterator[str]:
    for package in (isheep.planner, isheep.kube):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.rpartition(".")[2] not in SKIPPED:
                yield from _functions(module.name)


def _functions(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    for key, value in vars(module).items():
        if getattr(value, "__module__", None) != name:
            continue
        if isinstance(value, FunctionType) and not value.__closure__:
            yield f"{name}:{key}"
        elif inspect.isclass(value):
            for inner, function in vars(value).items():
                plain = isinstance(function, FunctionType) and not inner.startswith("__")
                if (
                    plain
                    and not function.__closure__
                    and function.__code__.co_filename != "<string>"
                ):
                    yield f"{name}:{key}.{inner}"


def _changes(tree: ast.Module) -> list[_Change]:
    """Return the possible changes of a function's tree."""
    found: list[_Change] = []
    left_out = unread(tree)
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Compare):
            found.append(_of_comparison(node))
        elif isinstance(node, ast.BoolOp):
            found.append(_of_condition(node))
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            found.append(_negated(node))
        elif isinstance(node, ast.Constant) and type(node.value) in (int, bool):
            found.append(_of_constant(node))
        elif isinstance(node, ast.Expr) and _has_effect(node, left_out):
            found.append(_without(node))
    return found


def _has_effect(node: ast.Expr, left_out: set[ast.AST]) -> bool:
    """Return whether a statement is a call that an invariant can notice."""
    return isinstance(node.value, ast.Call | ast.Await) and node.value not in left_out


def _of_comparison(node: ast.Compare) -> _Change:
    swapped = _SWAPPED[type(node.ops[0])]

    def change() -> None:
        node.ops[0] = swapped()

    return _Change(node.lineno, f"{ast.unparse(node)} becomes {swapped.__name__}", change)


def _of_condition(node: ast.BoolOp) -> _Change:
    other = ast.Or if isinstance(node.op, ast.And) else ast.And

    def change() -> None:
        node.op = other()

    return _Change(node.lineno, f"{ast.unparse(node)} becomes {other.__name__}", change)


def _negated(node: ast.If | ast.While | ast.IfExp) -> _Change:
    def change() -> None:
        node.test = ast.UnaryOp(ast.Not(), copy.deepcopy(node.test))

    return _Change(node.lineno, f"the condition {ast.unparse(node.test)} is negated", change)


def _of_constant(node: ast.Constant) -> _Change:
    before = node.value

    def change() -> None:
        node.value = not before if isinstance(before, bool) else int(str(before)) + 1

    return _Change(node.lineno, f"the constant {before!r} is changed", change)


def _without(node: ast.Expr) -> _Change:
    text = ast.unparse(node)

    def change() -> None:
        node.value = ast.Constant(None)

    return _Change(node.lineno, f"{text} is removed", change)
