"""Replacement of a function's code by changed source, in this process only.

The code object is replaced, so every module that has imported the function gets the change.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """Where a change of the source is: its file, its line, and the lines of its function."""

    file: str
    line: int
    function: range


def position_in(function: FunctionType, line: int) -> Position:
    """Return the position of a line of a function's source, of which the first line is 1."""
    source, first = inspect.getsourcelines(function)
    lines = range(first, first + len(source))
    return Position(function.__code__.co_filename, first + line - 1, lines)


def function_at(place: str) -> FunctionType:
    """Return the function at `module:name` or `module:Class.name`."""
    module, _, path = place.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = inspect.getattr_static(found, name)
    if isinstance(found, property):
        found = found.fget
    found = inspect.unwrap(getattr(found, "__func__", found))
    if not isinstance(found, FunctionType):
        raise TypeError(f"{place} is no function")
    return found


def source_of(function: FunctionType) -> str:
    """Return the source of a function without its indentation."""
    return textwrap.dedent(inspect.getsource(function))


def compiled(tree: ast.Module, function: FunctionType) -> CodeType:
    """Return the code of the function that a tree defines, without its decorators."""
    (node,) = tree.body
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"{function} is not defined as a function")
    node.decorator_list = []
    flags = __future__.annotations.compiler_flag
    code = compile(tree, function.__code__.co_filename, "exec", flags=flags, dont_inherit=True)
    (found,) = [c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == node.name]
    return found


@contextlib.contextmanager
def replaced(function: FunctionType, code: CodeType) -> Iterator[None]:
    """Replace the code of a function for a while."""
    original = function.__code__
    function.__code__ = code
    try:
        yield
    finally:
        function.__code__ = original
