"""What stages leave in the store, addressed by the key of their inputs.

    <namespace>/stages/<key>/part-00000.jsonl.zst …    64 items a part
    <namespace>/stages/<key>/files/<name>              models, logs, pages
    <namespace>/stages/<key>/manifest.json             the commit, written last

Everything is written `if_absent`. Two workers that hold one key (a pod believed
dead, a race for the last part) therefore never break what the other has written:
the later one adopts it. A manifest describes what is *stored*, so `write_file` and
`collect_parts` report the stored object's digest, not the caller's; it stands in
the object's metadata, and a committer downloads nothing. A stage whose files must
agree with each other therefore writes them from deterministic content.

Readers get no row before its part has been verified: a part is small and is held
whole. A few parts are fetched ahead, so memory is bounded by the part, not by the
number of items.
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
    """Return the command that deletes everything under a path of a store."""
    target = shlex.quote(f"{store_uri}/{path}")
    if store_uri.startswith("s3://"):
        return f"aws s3 rm --recursive {target}"
    return f"rm -r {target}"


class ArtifactStore:
    """The stages of one namespace of one store. Its methods may be called from any thread."""

    def __init__(self, store: ObjectStore, namespace: str) -> None:
        self.store = store
        self._stages = f"{namespace}/stages"
        self._codecs = _Codecs()
        self._verified_files: set[tuple[str, int, int]] = set()

    def part_exists(self, key: str, index: int) -> bool:
        """Whether a part is durably stored."""
        return self.store.head(self._at(key, part_name(index))) is not None

    def parts(self, key: str) -> list[int]:
        """Return the indices of the stored parts, ascending, from one LIST."""
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
        """Store a part unless it exists. Lines come without their newline.

        `statistics` travel in the object's metadata and must be small (about 1.5 KB
        as JSON): counts and sums, from which the committer makes the stage's.
        """
        content = bytearray()
        items = 0
        for line in lines:
            if b"\n" in line:
                raise ValueError(f"line {items} of part {index} holds a newline")
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
        """Store a local file as `files/<name>` unless it exists; return what is stored."""
        with explained(f"reading {path}"):
            digest = sha256_of(path)
            size = path.stat().st_size
        where = self._at(key, f"files/{name}")
        outcome = self.store.put(where, path, if_absent=True, metadata={"sha256": digest})
        if outcome is PutOutcome.WRITTEN:
            return FileInfo(name=name, sha256=digest, bytes=size)
        info = self.store.head(where)
        if info is None:
            raise NoSuchKeyError(f"{where} in {self.store.uri} was deleted while being written")
        return FileInfo(name=name, sha256=self._described(key, info, "sha256"), bytes=info.size)

    def collect_parts(self, key: str, count: int) -> list[PartInfo]:
        """Describe parts 0 to `count` - 1 for a manifest, without reading them.

        One LIST, then a HEAD for each part. Raises `NoSuchKeyError` naming those that
        are missing, and `StoreCorruptError` for one that no worker of ours has written.
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
        """Commit a stage; return its manifest, which is the winner's where another was first."""
        if manifest.key != key:
            raise ValueError(f"a manifest of {manifest.key} cannot commit {key}")
        outcome = self.store.put(self._at(key, MANIFEST_NAME), encode(manifest), if_absent=True)
        return manifest if outcome is PutOutcome.WRITTEN else self._committed(key)

    def manifest(self, key: str) -> Manifest | None:
        """Return a stage's manifest, or None where the stage is not committed."""
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

    def read_lines(self, key: str) -> Iterator[bytes]:
        """Yield a committed stage's lines in order, without their newlines.

        A part's digest and line count are verified before its first line is yielded.
        Raises `NoSuchKeyError` for a stage that is not committed, `StoreCorruptError`
        for a part that is gone or is not what the manifest says.
        """
        parts = iter(self._committed(key).parts)
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
        """Return a stored part's lines, whether its stage is committed or not.

        Verified against the digest that its writer left with it. Raises
        `NoSuchKeyError` where it is not there, `StoreCorruptError` where it is damaged.
        """
        part = self._describe_part(key, index)
        return self._lines(key, part, self._fetch(key, part))

    def read_file(self, key: str, name: str, path: Path) -> None:
        """Copy a committed file to a local path, which appears once it is verified."""
        expected = self._file_info(key, name)
        with explained(f"copying {name} to {path}"), replacing(path) as temporary:
            self._download(key, name, temporary)
            self._verify(key, f"files/{name}", expected, sha256_of(temporary))

    def file_path(self, key: str, name: str) -> Path | None:
        """Return a committed file's own path where the store is a folder, else None.

        Its size is verified each time, its digest once a process. Nobody may write to it.
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
        return f"Delete that stage and run again, and it is made anew: {command}"

    def _committed(self, key: str) -> Manifest:
        manifest = self.manifest(key)
        if manifest is None:
            raise NoSuchKeyError(f"stage {key} is not committed in {self.store.uri}")
        return manifest

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
                sha256=self._described(key, info, "sha256"),
                items=int(self._described(key, info, "items")),
                statistics=json.loads(self._described(key, info, "statistics")),
            )
        except (ValidationError, ValueError) as error:
            raise self._undescribed(key, info) from error

    def _described(self, key: str, info: ObjectInfo, name: str) -> str:
        value = info.metadata.get(name)
        if value is None:
            raise self._undescribed(key, info)
        return value

    def _undescribed(self, key: str, info: ObjectInfo) -> StoreCorruptError:
        return StoreCorruptError(
            f"{info.key} in {self.store.uri} lacks the metadata that isheep writes, so another "
            f"program has put or copied it there. {self._remedy(key)}"
        )

    def _file_info(self, key: str, name: str) -> FileInfo:
        for info in self._committed(key).files:
            if info.name == name:
                return info
        raise NoSuchKeyError(f"stage {key} in {self.store.uri} has no file {name}")

    def _download(self, key: str, name: str, path: Path) -> None:
        try:
            self.store.download(self._at(key, f"files/{name}"), path)
        except NoSuchKeyError:
            raise self._lost(key, f"files/{name}") from None

    def _fetch(self, key: str, part: PartInfo) -> bytes:
        try:
            body = self.store.get(self._at(key, part.name))
        except NoSuchKeyError:
            raise self._lost(key, part.name) from None
        self._verify(key, part.name, part, hashlib.sha256(body).hexdigest())
        return body

    def _lines(self, key: str, part: PartInfo, body: bytes) -> list[bytes]:
        try:
            lines = self._codecs.decompress(body).split(b"\n")
        except zstandard.ZstdError as error:
            raise StoreCorruptError(
                f"{self._at(key, part.name)} in {self.store.uri} is no zstd file ({error}). "
                f"{self._remedy(key)}"
            ) from error
        if lines.pop() or len(lines) != part.items:
            raise StoreCorruptError(
                f"{self._at(key, part.name)} in {self.store.uri} holds {len(lines)} lines, its "
                f"manifest says {part.items}. {self._remedy(key)}"
            )
        return lines

    def _lost(self, key: str, name: str) -> StoreCorruptError:
        return StoreCorruptError(
            f"{self._at(key, name)} is gone from {self.store.uri}, though its manifest lists it. "
            f"{self._remedy(key)}"
        )

    def _verify(self, key: str, name: str, expected: FileInfo, found: str) -> None:
        if found != expected.sha256:
            raise StoreCorruptError(
                f"{self._at(key, name)} in {self.store.uri} is damaged: its SHA-256 is {found}, "
                f"its manifest says {expected.sha256}. {self._remedy(key)}"
            )


class _Codecs(threading.local):
    """One zstd context a thread and direction: they are costly to make and not to be shared."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def compress(self, content: bytes) -> bytes:
        return self._compressor.compress(content)

    def decompress(self, body: bytes) -> bytes:
        return self._decompressor.decompress(body)
