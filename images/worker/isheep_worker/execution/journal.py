"""The journal of a stage: finished completions whose part still waits for slower ones.

The lengths of completions differ by a factor of ten and more, so a full engine always works on
many parts at once. Without the journal, a kill would lose all finished completions of these parts:
half of the output of a small stage. The journal stores them every few seconds and before a stop.
The next worker then generates only what was running, and what finished after the last save.

A completion is found again by the number of its group in the part's program and by the id of its
request. Both depend on the stage's input alone. Completions of a later group depend on all
completions of the earlier ones, and a save never stores the former without the latter. If an object
is damaged, the worker therefore uses none of the journal.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import asdict

from isheep.store.completions import CompletionStore
from isheep.store.interface import NoSuchKeyError, StoreCorruptError
from isheep_worker.engines.interface import Completion

SAVE_SECONDS = 5.0
"""The shortest time between two saves. A kill loses the completions of this time."""
SAVE_SHARE = 0.01
"""The largest share of the time that saves may take; a slow store is therefore used less often."""

_LOG = logging.getLogger(__name__)


class Journal:
    """The completions of this worker's open parts, in memory and in the store."""

    def __init__(
        self,
        store: CompletionStore,
        missing: Collection[int],
        now: Callable[[], float],
        seconds: float = SAVE_SECONDS,
    ) -> None:
        """Read the stored completions of the parts that this worker will make.

        Args:
            store: The completions of the stage.
            missing: The numbers of the parts that this worker will make.
            now: The clock, in seconds.
            seconds: The shortest time between two saves.
        """
        self._store = store
        self._now = now
        self._seconds = seconds
        self._due_at = now() + seconds
        self._found: defaultdict[int, dict[tuple[int, str], Completion]] = defaultdict(dict)
        self._unsaved: defaultdict[int, list[bytes]] = defaultdict(list)
        self._parts_of: dict[str, set[int]] = {}
        self._read(set(missing))

    def take(self, part: int, group: int, request_id: str) -> Completion | None:
        """Return the stored completion of a request, or None; a second call returns None."""
        return self._found[part].pop((group, request_id), None)

    def add(self, part: int, group: int, completion: Completion) -> None:
        """Note a completion of an open part; the next save stores it."""
        line = json.dumps([part, group, asdict(completion)], ensure_ascii=True)
        self._unsaved[part].append(line.encode())

    def close(self, part: int) -> None:
        """Forget a part that is stored, and delete the objects that have only stored parts."""
        self._unsaved.pop(part, None)
        self._found.pop(part, None)
        for name, parts in list(self._parts_of.items()):
            parts.discard(part)
            if not parts:
                self._store.delete(name)
                del self._parts_of[name]

    def save_if_due(self) -> None:
        """Save if the last save is long enough ago."""
        if self._now() >= self._due_at:
            began = self._now()
            self.save()
            ended = self._now()
            self._due_at = ended + max(self._seconds, (ended - began) / SAVE_SHARE)

    def save(self) -> None:
        """Store the completions that are not stored yet."""
        if not any(self._unsaved.values()):
            return
        name = self._store.save([line for lines in self._unsaved.values() for line in lines])
        self._parts_of[name] = set(self._unsaved)
        self._unsaved.clear()

    def _read(self, missing: set[int]) -> None:
        try:
            for name in self._store.names():
                self._read_object(name, missing)
        except StoreCorruptError as error:
            _LOG.warning("ignoring the stored completions of open parts: %s", error)
            self._found.clear()

    def _read_object(self, name: str, missing: set[int]) -> None:
        try:
            lines = self._store.read(name)
        except NoSuchKeyError:
            # Another worker has stored all parts of this object since the LIST.
            return
        parts = set()
        for line in lines:
            part, group, fields = json.loads(line)
            parts.add(part)
            if part in missing:
                fields["label_logprobs"] = tuple(fields["label_logprobs"])
                completion = Completion(**fields)
                self._found[part][group, completion.id] = completion
        # An object with parts of other workers is deleted with the commit.
        if parts <= missing:
            self._parts_of[name] = parts
