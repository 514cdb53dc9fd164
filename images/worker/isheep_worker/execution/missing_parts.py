"""The parts that a worker has yet to fill, and how one is written: what stages in parts share."""

from __future__ import annotations

from isheep.recipes.settings import StageSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.execution.parts import FilledPart, own_parts, part_count, part_items


class MissingParts:
    """A worker's parts of a step that are not there yet; progress is told in items."""

    def __init__(self, context: StageContext[StageSettings], items: int) -> None:
        """Look which parts of a step with so many items exist."""
        self._context = context
        self._items = items
        self._count = part_count(items)
        existing = set(context.artifacts.parts(context.step.key))
        self.numbers = own_parts(context.shard, self._count, existing)
        self._done = sum(len(part_items(part, items)) for part in existing)
        if self.numbers:
            context.progress.items(self._done, items)

    def write(self, part: int, filled: FilledPart) -> None:
        """Store a part; from now on nobody makes it again."""
        context = self._context
        context.artifacts.write_part(context.step.key, part, filled.lines, filled.statistics)
        self._done += len(part_items(part, self._items))
        context.progress.items(self._done, self._items, f"part {part + 1} of {self._count}")
