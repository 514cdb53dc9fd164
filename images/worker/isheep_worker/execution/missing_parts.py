"""The parts of a stage that this worker still has to make, and the writing of one part."""

from __future__ import annotations

from isheep.recipes.interface import part_count
from isheep.recipes.settings import StageSettings
from isheep_worker.execution.context import StageContext
from isheep_worker.execution.parts import FilledPart, own_parts, part_items


class MissingParts:
    """The parts of this worker that are not stored yet; it reports progress in items."""

    def __init__(self, context: StageContext[StageSettings], items: int) -> None:
        """Find the stored parts of the context's stage, which has `items` items."""
        self._context = context
        self._items = items
        self._count = part_count(items)
        existing = set(context.artifacts.parts(context.step.key))
        self.numbers = own_parts(context.shard, self._count, existing)
        self._done = sum(len(part_items(part, items)) for part in existing)
        self._open_items = 0
        if self.numbers:
            context.progress.found(self._done, items)

    def note_open_items(self, count: int) -> None:
        """Set the number of done items in parts that are not written yet."""
        grows = count > self._open_items
        self._open_items = count
        # A smaller number means that a part is about to be written, which reports its items.
        if grows:
            self._context.progress.items(self._done + count, self._items)

    def write(self, part: int, filled: FilledPart) -> None:
        """Store a part. From now on no worker makes it again."""
        context = self._context
        context.artifacts.write_part(context.step.key, part, filled.lines, filled.statistics)
        items = len(part_items(part, self._items))
        self._done += items
        context.log_part(part, items, self._done, items_total=self._items, parts=self._count)
        done = self._done + self._open_items
        context.progress.items(done, self._items, f"part {part + 1} of {self._count}")
