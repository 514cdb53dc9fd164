"""The interface of the object store: a few methods over keys.

There are two backends, a folder (`folder.py`) and S3 (`s3.py`), and one test suite runs over both.
The essential guarantee is `if_absent`: exactly one of several writers of a key succeeds, all others
get `EXISTED`, and no reader sees an incomplete object. `artifacts.py` builds commits on this
guarantee.

Keys are relative and `/`-separated, without `.` or `..` segments. Metadata is a small mapping of
ASCII strings (S3's limit of 2 KiB, minus the backend's own entry). It is stored with the object, so
a committer reads digests and counts without a download. It appears together with the object and
always belongs to the writer of the stored bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Protocol


class StoreError(Exception):
    """The store failed; the message names the store, the key and the remedy."""


class StoreUnreachableError(StoreError):
    """The store did not answer during all retries (exit code 69)."""


class StoreRefusedError(StoreError):
    """The store answers, and refuses the credential or has no such bucket (exit code 64).

    A retry has the same result until somebody changes the credential, its rights, the bucket or the
    settings.
    """


class StoreCorruptError(StoreError):
    """An object is missing or differs from its manifest (exit code 74)."""


class StoreConditionError(StoreError):
    """The store ignores `if_absent`, so two writers could both succeed; it cannot be used."""


class StoreFullError(StoreError):
    """The store has no space left, or its quota is used up (exit code 74)."""


class StoreVersionError(StoreError):
    """A newer isheep wrote a document that this one cannot read."""


class NoSuchKeyError(StoreError):
    """The key does not exist."""


class PutOutcome(Enum):
    """The outcome of a conditional put."""

    WRITTEN = "Written"
    EXISTED = "Existed"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as `head` and `list` return it; `list` returns empty metadata.

    `size` is in bytes, `modified` in seconds since the epoch.
    """

    key: str
    size: int
    modified: float
    metadata: Mapping[str, str] = field(default_factory=dict)


MAX_METADATA_BYTES = 1900
"""S3 allows 2,048 bytes of names and values; the difference is for the backend's own entry."""

PRIVATE_SEGMENT = ".objects"
"""Reserved: the folder store keeps unpublished files in folders of this name."""

_KEY_CHARACTERS = re.compile(r"[A-Za-z0-9._=+@,~-]+(/[A-Za-z0-9._=+@,~-]+)*")
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def check_key(key: str) -> str:
    """Return the key.

    A key contains only characters that need no quoting in S3, in URLs and on a file system. Our own
    code makes all keys, so any other character is a defect.

    Raises:
        ValueError: The key is not valid; the message gives the problem.
    """
    if not _KEY_CHARACTERS.fullmatch(key):
        raise ValueError(f"store key {key!r} is not a relative path of plain characters")
    for segment in key.split("/"):
        if segment in (".", "..", PRIVATE_SEGMENT) or len(segment) > 200:
            raise ValueError(f"store key {key!r} contains the forbidden segment {segment!r}")
    if len(key) > 800:
        raise ValueError(f"store key {key!r} is longer than 800 characters")
    return key


def check_prefix(prefix: str) -> str:
    """Return a prefix for `list`, which is empty or the beginning of a valid key.

    Raises:
        ValueError: The prefix is not valid.
    """
    whole = prefix.removesuffix("/")
    if whole:
        check_key(whole)
    elif prefix:
        raise ValueError("a store prefix must not begin with '/'")
    return prefix


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return the metadata as a dict.

    Raises:
        ValueError: A name or a value is not valid, or the metadata is too large.
    """
    checked = dict(metadata or {})
    for name, value in checked.items():
        if not _METADATA_NAME.fullmatch(name):
            raise ValueError(
                f"metadata name {name!r} must contain only lower-case letters, digits and '-'"
            )
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise ValueError(
                f"metadata {name}={value!r} must be printable ASCII without outer spaces"
            )
    size = sum(len(name) + len(value) for name, value in checked.items())
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"metadata of {size} bytes is larger than {MAX_METADATA_BYTES}")
    return checked


class ObjectStore(Protocol):
    """Objects under keys. Each write is atomic."""

    @property
    def uri(self) -> str:
        """The store's location: `s3://bucket/prefix` or an absolute folder."""

    def put(
        self,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> PutOutcome:
        """Store bytes, or a file's content, under a key.

        Args:
            key: The object's key.
            body: The content, or the path of a file with the content.
            if_absent: Keep an existing object and return `EXISTED`.
            metadata: Names and values that are stored with the object.

        Raises:
            ValueError: The key or the metadata is not valid.
            StoreError: The store failed.
        """

    def get(self, key: str) -> bytes:
        """Return the content of a small object.

        Raises:
            NoSuchKeyError: The key does not exist.
        """

    def open(self, key: str) -> BinaryIO:
        """Return a stream over an object; the caller closes the stream.

        Raises:
            NoSuchKeyError: The key does not exist.
        """

    def download(self, key: str, path: Path) -> None:
        """Write an object to a local file atomically.

        Raises:
            NoSuchKeyError: The key does not exist.
        """

    def head(self, key: str) -> ObjectInfo | None:
        """Return an object's size, time and metadata, or None if it does not exist."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with a prefix, page by page.

        The objects of one folder come in the order of their keys. The position of a folder among
        its siblings depends on the store: AWS sorts whole keys, SeaweedFS sorts names.
        """

    def delete(self, key: str) -> None:
        """Delete an object. An object that does not exist is not an error."""

    def probe(self) -> None:
        """Check that the store can be written and read, and that it honours `if_absent`.

        The check deletes its objects. Its retries end sooner than those of the other methods,
        because a person may wait for the result.

        Raises:
            StoreUnreachableError: The store does not answer.
            StoreRefusedError: The store does not accept the credential, or has no such bucket.
            StoreConditionError: The store ignores `if_absent` or metadata.
        """

    def local_path(self, key: str) -> Path | None:
        """Return the object's file if the store is a folder, else None.

        The caller must not write to the file.
        """
