"""The check, before any stage runs, that a store honours `if_absent`.

Some S3 services accept `If-None-Match: *` and ignore it; some file systems do not support links. On
such a store two workers could both commit a stage without an error. So the check writes a random
key twice. The store must refuse the second write and keep the first object.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from isheep.store.interface import (
    ObjectStore,
    PutOutcome,
    StoreConditionError,
    StoreError,
    StoreRefusedError,
)


def probe_conditions(store: ObjectStore, *, remedy: str) -> None:
    """Check that a store honours `if_absent` and keeps metadata.

    Raises:
        StoreConditionError: It does not.
        StoreRefusedError: It keeps nothing, so it is no store.
    """
    key = f"probe/{secrets.token_hex(16)}"
    try:
        for metadata in (None, {"writer": "first"}):
            _probe_key(store, key, metadata, remedy)
            store.delete(key)
    finally:
        with suppress(StoreError):
            store.delete(key)


def _probe_key(store: ObjectStore, key: str, metadata: dict[str, str] | None, remedy: str) -> None:
    first = store.put(key, b"first", if_absent=True, metadata=metadata)
    second = store.put(key, b"second", if_absent=True, metadata=metadata and {"writer": "second"})
    stored = store.get(key)
    if stored not in (b"first", b"second"):
        raise StoreRefusedError(
            f"{store.uri} answers, and does not keep what is written: it may be the web console of "
            "a store, or another web server. Set the endpoint to the address of the S3 API."
        )
    if (first, second) != (PutOutcome.WRITTEN, PutOutcome.EXISTED) or stored != b"first":
        raise StoreConditionError(
            f"{store.uri} lets a second writer replace an existing object (it ignores the "
            f"condition 'only if absent'), so two workers could commit the same stage. {remedy}"
        )
    info = store.head(key)
    if info is None or dict(info.metadata) != (metadata or {}):
        raise StoreConditionError(
            f"{store.uri} does not keep the metadata of an object, which contains the digests of "
            f"parts. {remedy}"
        )
