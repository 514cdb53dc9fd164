"""The object store and what stands in it: the only data path between stages.

`interface.py` says what a store is, `folder.py` and `s3.py` are the two there are,
and `artifacts.py`, `checkpoints.py` and `documents.py` say what is kept where.
"""

from __future__ import annotations

from pathlib import Path

from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.store.folder import FolderStore
from isheep.store.interface import ObjectStore


def open_store(spec: StoreSpec) -> ObjectStore:
    """Return the store that a spec describes, without touching it yet.

    Raises `StoreError` where the description itself is unusable.
    """
    place = spec.place
    if isinstance(place, FolderStoreSpec):
        return FolderStore(Path(place.path))
    from isheep.store.s3 import S3Store  # noqa: PLC0415  (boto3 takes half a second to import)

    return S3Store(
        place.bucket,
        place.prefix,
        endpoint=place.endpoint,
        region=place.region,
        addressing=place.addressing,
    )
