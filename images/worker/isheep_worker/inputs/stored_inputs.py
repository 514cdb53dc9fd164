"""Copies of a run's external inputs in the store, by digest: `<namespace>/inputs/<sha256>`.

prepare reads seed tasks, templates and benchmark texts from the user's locations and copies them
into the store. Later stages, on other machines and on other days, thus read exactly the bytes
that prepare validated and that their keys contain.
"""

from __future__ import annotations

import hashlib

from isheep.store.interface import NoSuchKeyError, ObjectStore, StoreCorruptError


class Inputs:
    """The stored inputs of one namespace."""

    def __init__(self, store: ObjectStore, namespace: str) -> None:
        self._store = store
        self._prefix = f"{namespace}/inputs"

    def put(self, content: bytes) -> str:
        """Store an input unless it is stored already; return its SHA-256 in hex."""
        digest = hashlib.sha256(content).hexdigest()
        self._store.put(f"{self._prefix}/{digest}", content, if_absent=True)
        return digest

    def get(self, digest: str) -> bytes:
        """Return a verified input; raises `StoreCorruptError` if it is missing or damaged."""
        key = f"{self._prefix}/{digest}"
        try:
            content = self._store.get(key)
        except NoSuchKeyError:
            raise StoreCorruptError(
                f"{key} is missing from {self._store.uri}; restore it, or delete the run's "
                "status and start the run again, so that prepare copies its inputs again"
            ) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise StoreCorruptError(
                f"{key} in {self._store.uri} is damaged: its SHA-256 differs from its name; delete "
                "it and run prepare again"
            )
        return content
