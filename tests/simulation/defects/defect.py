"""A known defect, and how it is planted."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from .replacement import Position, compiled, function_at, position_in, replaced, source_of


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
