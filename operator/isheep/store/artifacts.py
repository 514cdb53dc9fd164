"""The artifacts of stages, stored under the stages' keys.

    <namespace>/stages/<key>/part-00000.jsonl.zst …    64 items a part
    <namespace>/stages/<key>/files/<name>              models, logs, pages
    <namespace>/stages/<key>/manifest.json             the commit, written last

All objects are written with `if_absent`. Two workers may have the same key, for example if a pod
is lost but still runs, or if both finish the last part. The condition protects the objects of the
first worker, and the second worker adopts them. A manifest describes the *stored* objects, so
`write_file` and `collect_parts` return the stored object's digest and not the caller's. The digest
is in the object's metadata, so the committer downloads nothing. A stage whose files must agree
with each other therefore writes them from deterministic content.

A reader verifies a part before it yields the part's rows. A part is small, so the reader keeps a
whole part in memory. It fetches a few parts ahead. Memory depends on the size of a part and not
on the number of items.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import zstandard
from pydantic import ValidationError

from isheep.store.interface import (
    NoSuchKeyError,
    ObjectInfo,
    ObjectStore,
    PutOutcome,
    StoreCorruptError,
)
from isheep.store.local_files import explained, replacing, sha256_of
from isheep.store.manifest import (
    MANIFEST_NAME,
    FileInfo,
    Manifest,
    PartInfo,
    decode,
    encode,
)

_PART_NAME = re.compile(r"part-(\d{5,})\.jsonl\.zst")
_LEVEL = 3
_READ_AHEAD = 4
_HEADS = 16


def part_name(index: int) -> str:
    """Return the name of a stage's part, `part-00000.jsonl.zst` for 0."""
    return f"part-{index:05d}.jsonl.zst"


def removal_command(store_uri: str, path: str) -> str:
    """Return the shell command that deletes all objects under a path of a store."""
    target = shlex.quote(f"{store_uri}/{path}")
    if store_uri.startswith("s3://"):
        return f"aws s3 rm --recursive {target}"
    return f"rm -r {target}"


class ArtifactStore:
    """The artifacts of one namespace of one store. Every method is safe to call from any thread."""

    def __init__(self, store: ObjectStore, namespace: str) -> None:
        self.store = store
        self._stages = f"{namespace}/stages"
        self._codecs = _Codecs()
        self._verified_files: set[tuple[str, int, int]] = set()

    def part_exists(self, key: str, index: int) -> bool:
        """Return True if a part is durably stored."""
        return self.store.head(self._at(key, part_name(index))) is not None

    def parts(self, key: str) -> list[int]:
        """Return the indices of the stored parts in ascending order, from one LIST."""
        found = []
        for info in self.store.list(self._at(key, "part-")):
            match = _PART_NAME.fullmatch(info.key.rpartition("/")[2])
            if match:
                found.append(int(match[1]))
        return sorted(found)

    def write_part(
        self,
        key: str,
        index: int,
        lines: Iterable[bytes],
        statistics: Mapping[str, int | float] | None = None,
    ) -> PutOutcome:
        """Store a part unless it exists.

        Args:
            key: The stage's key.
            index: The part's index, from 0.
            lines: The part's rows, without newlines.
            statistics: Counts and sums from which the committer computes the stage's statistics.
                They are stored in the object's metadata, so they must be small: about 1.5 KB as
                JSON.

        Raises:
            ValueError: A line contains a newline, or the statistics are too large.
        """
        content = bytearray()
        items = 0
        for line in lines:
            if b"\n" in line:
                raise ValueError(f"line {items} of part {index} contains a newline")
            content += line
            content += b"\n"
            items += 1
        body = self._codecs.compress(bytes(content))
        metadata = {
            "sha256": hashlib.sha256(body).hexdigest(),
            "items": str(items),
            "statistics": json.dumps(
                dict(statistics or {}), separators=(",", ":"), sort_keys=True, allow_nan=False
            ),
        }
        return self.store.put(
            self._at(key, part_name(index)), body, if_absent=True, metadata=metadata
        )

    def write_file(self, key: str, name: str, path: Path) -> FileInfo:
        """Store a local file as `files/<name>` unless it exists; return the stored file's data."""
        with explained(f"reading {path}"):
            digest = sha256_of(path)
            size = path.stat().st_size
        place = self._at(key, f"files/{name}")
        outcome = self.store.put(place, path, if_absent=True, metadata={"sha256": digest})
        if outcome is PutOutcome.WRITTEN:
            return FileInfo(name=name, sha256=digest, bytes=size)
        info = self.store.head(place)
        if info is None:
            raise NoSuchKeyError(f"{place} in {self.store.uri} was deleted during the write")
        return FileInfo(
            name=name, sha256=self._metadata_value(key, info, "sha256"), bytes=info.size
        )

    def collect_parts(self, key: str, count: int) -> list[PartInfo]:
        """Return parts 0 to `count` - 1 as a manifest lists them, without reading the parts.

        The method makes one LIST and then one HEAD for each part.

        Raises:
            NoSuchKeyError: Parts are missing; the message names them.
            StoreCorruptError: Another program has written a part.
        """
        missing = sorted(set(range(count)) - set(self.parts(key)))
        if missing:
            shown = ", ".join(map(str, missing[:10])) + (" …" if len(missing) > 10 else "")
            raise NoSuchKeyError(
                f"stage {key} in {self.store.uri} lacks {len(missing)} of {count} parts: {shown}"
            )
        with ThreadPoolExecutor(_HEADS) as pool:
            return list(pool.map(lambda index: self._describe_part(key, index), range(count)))

    def commit(self, key: str, manifest: Manifest) -> Manifest:
        """Commit a stage and return its manifest.

        If another worker has committed the stage first, the result is that worker's manifest.
        """
        if manifest.key != key:
            raise ValueError(f"a manifest of {manifest.key} cannot commit {key}")
        outcome = self.store.put(self._at(key, MANIFEST_NAME), encode(manifest), if_absent=True)
        return manifest if outcome is PutOutcome.WRITTEN else self.committed(key)

    def manifest(self, key: str) -> Manifest | None:
        """Return a stage's manifest, or None if the stage is not committed."""
        try:
            content = self.store.get(self._at(key, MANIFEST_NAME))
        except NoSuchKeyError:
            return None
        where = f"{self._at(key, MANIFEST_NAME)} in {self.store.uri}"
        manifest = decode(Manifest, content, where, self._remedy(key))
        if manifest.key != key:
            raise StoreCorruptError(
                f"{where} is the manifest of {manifest.key}. {self._remedy(key)}"
            )
        return manifest

    def committed(self, key: str) -> Manifest:
        """Return a stage's manifest; raises `NoSuchKeyError` if the stage is not committed."""
        manifest = self.manifest(key)
        if manifest is None:
            raise NoSuchKeyError(f"stage {key} is not committed in {self.store.uri}")
        return manifest

    def read_lines(self, key: str) -> Iterator[bytes]:
        """Yield a committed stage's lines in order, without their newlines.

        A part's digest and line count are verified before its first line is yielded.

        Raises:
            NoSuchKeyError: The stage is not committed.
            StoreCorruptError: A part is missing or differs from the manifest.
        """
        parts = iter(self.committed(key).parts)
        with ThreadPoolExecutor(_READ_AHEAD) as pool:
            fetched = deque(
                (part, pool.submit(self._fetch, key, part)) for part in islice(parts, _READ_AHEAD)
            )
            while fetched:
                part, body = fetched.popleft()
                lines = self._lines(key, part, body.result())
                following = next(parts, None)
                if following is not None:
                    fetched.append((following, pool.submit(self._fetch, key, following)))
                yield from lines

    def read_part(self, key: str, index: int) -> list[bytes]:
        """Return a stored part's lines; the stage need not be committed.

        The part is verified against the digest in its metadata.

        Raises:
            NoSuchKeyError: The part does not exist.
            StoreCorruptError: The part is damaged.
        """
        part = self._describe_part(key, index)
        return self._lines(key, part, self._fetch(key, part))

    def read_file(self, key: str, name: str, path: Path) -> None:
        """Copy a committed file to a local path. The local file appears after its verification."""
        expected = self._file_info(key, name)
        with explained(f"copying {name} to {path}"), replacing(path) as temporary:
            self._download(key, name, temporary)
            self._verify(key, f"files/{name}", expected, sha256_of(temporary))

    def file_path(self, key: str, name: str) -> Path | None:
        """Return a committed file's own path if the store is a folder, else None.

        Each call verifies the file's size, and the first call in a process verifies its digest.
        The caller must not write to the file.
        """
        path = self.store.local_path(self._at(key, f"files/{name}"))
        if path is None:
            return None
        expected = self._file_info(key, name)
        with explained(f"reading {path}"):
            status = path.stat()
            seen = (str(path), status.st_size, status.st_mtime_ns)
            if status.st_size != expected.bytes or seen not in self._verified_files:
                self._verify(key, f"files/{name}", expected, sha256_of(path))
                self._verified_files.add(seen)
        return path

    def _at(self, key: str, name: str) -> str:
        return f"{self._stages}/{key}/{name}"

    def _remedy(self, key: str) -> str:
        command = removal_command(self.store.uri, f"{self._stages}/{key}")
        return f"Delete that stage and run again; the run then makes the stage again: {command}"

    def _describe_part(self, key: str, index: int) -> PartInfo:
        where = self._at(key, part_name(index))
        info = self.store.head(where)
        if info is None:
            raise NoSuchKeyError(f"{where} was deleted from {self.store.uri}")
        try:
            return PartInfo(
                index=index,
                name=part_name(index),
                bytes=info.size,
                sha256=self._metadata_value(key, info, "sha256"),
                items=int(self._metadata_value(key, info, "items")),
                statistics=json.loads(self._metadata_value(key, info, "statistics")),
            )
        except (ValidationError, ValueError) as error:
            raise self._without_metadata(key, info) from error

    def _metadata_value(self, key: str, info: ObjectInfo, name: str) -> str:
        value = info.metadata.get(name)
        if value is None:
            raise self._without_metadata(key, info)
        return value

    def _without_metadata(self, key: str, info: ObjectInfo) -> StoreCorruptError:
        return StoreCorruptError(
            f"{info.key} in {self.store.uri} lacks the metadata that isheep writes, so another "
            f"program wrote or copied the object. {self._remedy(key)}"
        )

    def _file_info(self, key: str, name: str) -> FileInfo:
        for info in self.committed(key).files:
            if info.name == name:
                return info
        raise NoSuchKeyError(f"stage {key} in {self.store.uri} has no file {name}")

    def _download(self, key: str, name: str, path: Path) -> None:
        try:
            self.store.download(self._at(key, f"files/{name}"), path)
        except NoSuchKeyError:
            raise self._missing(key, f"files/{name}") from None

    def _fetch(self, key: str, part: PartInfo) -> bytes:
        try:
            body = self.store.get(self._at(key, part.name))
        except NoSuchKeyError:
            raise self._missing(key, part.name) from None
        self._verify(key, part.name, part, hashlib.sha256(body).hexdigest())
        return body

    def _lines(self, key: str, part: PartInfo, body: bytes) -> list[bytes]:
        try:
            lines = self._codecs.decompress(body).split(b"\n")
        except zstandard.ZstdError as error:
            raise StoreCorruptError(
                f"{self._at(key, part.name)} in {self.store.uri} is not a zstd file ({error}). "
                f"{self._remedy(key)}"
            ) from error
        if lines.pop() or len(lines) != part.items:
            raise StoreCorruptError(
                f"{self._at(key, part.name)} in {self.store.uri} has {len(lines)} lines, but "
                f"its manifest lists {part.items}. {self._remedy(key)}"
            )
        return lines

    def _missing(self, key: str, name: str) -> StoreCorruptError:
        return StoreCorruptError(
            f"{self._at(key, name)} is missing in {self.store.uri}, but its manifest lists it. "
            f"{self._remedy(key)}"
        )

    def _verify(self, key: str, name: str, expected: FileInfo, found: str) -> None:
        if found != expected.sha256:
            raise StoreCorruptError(
                f"{self._at(key, name)} in {self.store.uri} is damaged: its SHA-256 is {found}, "
                f"but its manifest lists {expected.sha256}. {self._remedy(key)}"
            )


class _Codecs(threading.local):
    """The zstd contexts of one thread; threads cannot share a context, and making one is slow."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def compress(self, content: bytes) -> bytes:
        return self._compressor.compress(content)

    def decompress(self, body: bytes) -> bytes:
        return self._decompressor.decompress(body)
