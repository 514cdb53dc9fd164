"""The object store and its contents: the only data path between stages.

`interface.py` defines a store, `folder.py` and `s3.py` are its two implementations, and
`artifacts.py`, `checkpoints.py` and `documents.py` define the keys and contents of the objects.
"""

from __future__ import annotations

from pathlib import Path

from isheep.contract.store_spec import FolderStoreSpec, StoreSpec
from isheep.store.folder import FolderStore
from isheep.store.interface import ObjectStore


def open_store(spec: StoreSpec) -> ObjectStore:
    """Return the store that a spec describes, without a request to it.

    Raises:
        StoreError: The spec's settings cannot be used.
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
