"""A run's external inputs in the store, by digest: `<namespace>/inputs/<sha256>`.

prepare reads seed tasks, templates and benchmark texts from wherever the user has them
and leaves them here, so that later stages, on other machines and on other days, read
exactly what was validated and what their keys name.
"""

from __future__ import annotations

import hashlib

from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError


class Inputs:
    """The inputs of one namespace."""

    def __init__(self, store: ObjectStore, namespace: str) -> None:
        self._store = store
        self._prefix = f"{namespace}/inputs"

    def put(self, content: bytes) -> str:
        """Store an input unless it is there; return its SHA-256 in hex."""
        digest = hashlib.sha256(content).hexdigest()
        self._store.put(f"{self._prefix}/{digest}", content, if_absent=True)
        return digest

    def get(self, digest: str) -> bytes:
        """Return an input, verified; raises `StoreCorruptError` where it is gone or damaged."""
        key = f"{self._prefix}/{digest}"
        try:
            content = self._store.get(key)
        except NoSuchKeyError:
            raise StoreCorruptError(
                f"{key} is gone from {self._store.uri}; restore it, or delete the run's "
                "status and start it again, so that prepare copies its inputs anew"
            ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise StoreCorruptError(
                f"{key} in {self._store.uri} is damaged: its SHA-256 is not its name; delete it "
                "and run prepare again"
            )
        return content
