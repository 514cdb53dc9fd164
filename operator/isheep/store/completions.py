"""The completions of parts that are not complete yet: a worker that is killed does not lose them.

    completions/<sha256 of the object>.zst

in the `work_folder` of the stage.

Each object has a few lines, and is never written again. Its name is its digest, so two workers
never write different content under one name, and a reader detects damage. The objects are deleted
when the parts of their lines are stored, at the latest when the stage is committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import zstandard

from isheep.store.interface import ObjectStore, StoreCorruptError
from isheep.store.work import work_folder

_LEVEL = 3


class CompletionStore:
    """The completions of one unfinished stage."""

    def __init__(self, store: ObjectStore, namespace: str, key: str) -> None:
        """`key` is the stage's key."""
        self._store = store
        self._folder = f"{work_folder(namespace, key)}completions/"

    def save(self, lines: Sequence[bytes]) -> str:
        """Store lines (without newlines) as one object, and return its name."""
        body = zstandard.ZstdCompressor(level=_LEVEL).compress(b"\n".join(lines))
        name = f"{hashlib.sha256(body).hexdigest()}.zst"
        self._store.put(self._folder + name, body)
        return name

    def names(self) -> list[str]:
        """Return the names of all objects, from one LIST."""
        return [info.key.rpartition("/")[2] for info in self._store.list(self._folder)]

    def read(self, name: str) -> list[bytes]:
        """Return the lines of an object.

        Raises:
            NoSuchKeyError: The object was deleted.
            StoreCorruptError: The object is damaged.
        """
        body = self._store.get(self._folder + name)
        if f"{hashlib.sha256(body).hexdigest()}.zst" != name:
            raise StoreCorruptError(f"{self._folder}{name} in {self._store.uri} is damaged")
        return zstandard.ZstdDecompressor().decompress(body).split(b"\n")

    def delete(self, name: str) -> None:
        """Delete an object. An object that does not exist is not an error."""
        self._store.delete(self._folder + name)

    def delete_all(self) -> None:
        """Delete all objects of the stage."""
        for name in self.names():
            self.delete(name)
