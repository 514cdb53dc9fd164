"""The object store as the rest of the product sees it: a few verbs over keys.

Two backends exist, a folder (`folder.py`) and S3 (`s3.py`), and one test suite
runs over both. The one promise on which everything above stands is
`if_absent`: of any number of writers of one key exactly one wins, all others
get `Existed`, and nobody ever sees half an object. Everything else, commits
included, is built from it in `artifacts.py`.

Keys are relative, `/`-separated, without `.` or `..` segments. Metadata is a
small mapping of ASCII strings (S3's bound of 2 KiB, less what a backend adds)
that travels with the object, so that a committer can read digests and counts
without downloading. It appears together with the object and always is that of
the writer whose bytes are stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Protocol


class StoreError(Exception):
    """The store failed; the message says which store, which key and what to do."""


class StoreUnreachableError(StoreError):
    """The store could not be reached, or refused us, for all of the retries (exit code 69)."""


class StoreCorruptError(StoreError):
    """An object is not what its manifest says it is (exit code 74)."""


class StoreConditionError(StoreError):
    """The store ignores `if_absent`: two writers could both win, so it cannot be used."""


class StoreFullError(StoreError):
    """No space is left in the store, or its quota is used up (exit code 74)."""


class StoreVersionError(StoreError):
    """A document was written by a newer isheep than this one, which cannot read it."""


class NoSuchKeyError(StoreError):
    """The key does not exist."""


class PutOutcome(Enum):
    """What became of a conditional put."""

    WRITTEN = "Written"
    EXISTED = "Existed"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as `head` and `list` tell it. `list` leaves `metadata` empty."""

    key: str
    size: int
    modified: float
    metadata: Mapping[str, str] = field(default_factory=dict)


MAX_METADATA_BYTES = 1900
"""S3 allows 2,048 bytes of names and values; the rest is for the backend's own entry."""

PRIVATE_SEGMENT = ".objects"
"""Reserved: the folder store keeps unpublished files in folders of this name."""

_KEY_CHARACTERS = re.compile(r"[A-Za-z0-9._=+@,~-]+(/[A-Za-z0-9._=+@,~-]+)*")
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def check_key(key: str) -> str:
    """Return the key, or raise ValueError saying what is wrong with it.

    Only characters that need no quoting in S3, in URLs and on a file system are
    allowed: keys are made by the product, so anything else is a defect.
    """
    if not _KEY_CHARACTERS.fullmatch(key):
        raise ValueError(f"store key {key!r} is not a relative path of plain characters")
    for segment in key.split("/"):
        if segment in (".", "..", PRIVATE_SEGMENT) or len(segment) > 200:
            raise ValueError(f"store key {key!r} holds the segment {segment!r}, not allowed")
    if len(key) > 800:
        raise ValueError(f"store key {key!r} is longer than 800 characters")
    return key


def check_prefix(prefix: str) -> str:
    """Return a prefix for `list`: empty, or the beginning of a valid key."""
    whole = prefix.removesuffix("/")
    if whole:
        check_key(whole)
    elif prefix:
        raise ValueError("a store prefix does not begin with '/'")
    return prefix


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return the metadata as a dict, or raise ValueError saying what is wrong with it."""
    checked = dict(metadata or {})
    for name, value in checked.items():
        if not _METADATA_NAME.fullmatch(name):
            raise ValueError(f"metadata name {name!r} is not lower-case letters, digits and '-'")
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise ValueError(f"metadata {name}={value!r} is not plain printable ASCII")
    size = sum(len(name) + len(value) for name, value in checked.items())
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"metadata of {size} bytes is over the limit of {MAX_METADATA_BYTES}")
    return checked


class ObjectStore(Protocol):
    """Objects under keys, each written whole or not at all."""

    @property
    def uri(self) -> str:
        """Where this is, for people: `s3://bucket/prefix` or an absolute folder."""

    def put(
        self,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> PutOutcome:
        """Store bytes, or a file's content, under a key.

        With `if_absent`, an existing key stays as it is and `EXISTED` is returned.
        """

    def get(self, key: str) -> bytes:
        """Return a whole object; for small ones. Raises `NoSuchKeyError`."""

    def open(self, key: str) -> BinaryIO:
        """Return a stream over an object; the caller closes it. Raises `NoSuchKeyError`."""

    def download(self, key: str, path: Path) -> None:
        """Write an object to a local file, atomically. Raises `NoSuchKeyError`."""

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object without reading it, or None."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with a prefix, page by page.

        In key order inside a folder; where a folder stands among its siblings is
        the store's own choice (AWS sorts whole keys, SeaweedFS sorts names).
        """

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    def probe(self) -> None:
        """Prove that the store can be written, read back, and honours `if_absent`.

        Leaves nothing behind. Raises `StoreUnreachableError` or `StoreConditionError`
        with the remedy; gives up sooner than the other verbs, since people wait for it.
        """

    def local_path(self, key: str) -> Path | None:
        """Return the object's file where the store is a folder (read only), else None."""
