"""The manifest: the document whose existence is a stage's commit.

It is written last and once. It names every part and file with size and SHA-256,
so that a reader can tell a whole stage from a damaged one, and says what the stage
was made from, with what software, in how much time and by whose run. What decides
the output is in the key; what is only good to know (packages, device, timings) is
here and never in the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import AwareDatetime, Field, ValidationError

from isheep.contract.order import Contract, RunRef
from isheep.store.interface import StoreCorruptError, StoreVersionError

MANIFEST_VERSION = 1
MANIFEST_NAME = "manifest.json"

_SHA256 = r"^[0-9a-f]{64}$"


class FileInfo(Contract):
    """A file of a stage or of a checkpoint."""

    name: str
    sha256: str = Field(pattern=_SHA256)
    bytes: int = Field(ge=0)


class PartInfo(FileInfo):
    """A part: `items` lines of JSON, zstd-compressed; digest and size are the compressed ones."""

    index: int = Field(ge=0)
    items: int = Field(ge=0)
    statistics: Mapping[str, int | float] = Field(default_factory=dict)


class StageInfo(Contract):
    """Which stage of which iteration this is; `id` is `prepare` or `i<t>/<stage>[/r<k>]`."""

    kind: str
    version: int
    id: str
    iteration: int
    round: int | None = None


class Environment(Contract):
    """What the stage ran with: package versions, the device's name, model and image."""

    packages: Mapping[str, str] = Field(default_factory=dict)
    device: str | None = None
    model: str | None = None
    image: str | None = None


class Timings(Contract):
    """When the stage ran, and the seconds that went into loading, engine work and CPU work."""

    started_at: AwareDatetime
    finished_at: AwareDatetime
    load_seconds: float = 0.0
    engine_seconds: float = 0.0
    cpu_seconds: float = 0.0


class Manifest(Contract):
    """One committed stage. `settings` are those that the key was computed from.

    `examples` holds a few of the texts that each rule dropped, for people.
    """

    schema_version: int = MANIFEST_VERSION
    key: str
    stage: StageInfo
    parts: tuple[PartInfo, ...] = ()
    files: tuple[FileInfo, ...] = ()
    inputs: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    settings: Mapping[str, Any] = Field(default_factory=dict)
    environment: Environment = Environment()
    timings: Timings
    statistics: Mapping[str, Any] = Field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    run: RunRef

    @property
    def items(self) -> int:
        """How many lines all parts hold together."""
        return sum(part.items for part in self.parts)


class CheckpointManifest(Contract):
    """One complete checkpoint; `context` is what a resuming trainer must find equal."""

    schema_version: int = MANIFEST_VERSION
    step: int
    files: tuple[FileInfo, ...]
    context: Mapping[str, Any] = Field(default_factory=dict)


DocumentT = TypeVar("DocumentT", bound=Contract)


class _Version(Contract):
    schema_version: int = Field(ge=1)


def encode(document: Contract) -> bytes:
    """Return a document as indented JSON, for it is also read by people."""
    return document.model_dump_json(by_alias=True, indent=2).encode() + b"\n"


def decode(document_type: type[DocumentT], content: bytes, where: str, remedy: str) -> DocumentT:
    """Return the document that `content` holds; `where` names it in messages.

    Raises `StoreVersionError` for a newer schema, `StoreCorruptError` with the remedy
    for anything else that does not fit.
    """
    try:
        version = _Version.model_validate_json(content).schema_version
        if version > MANIFEST_VERSION:
            raise StoreVersionError(
                f"{where} has schemaVersion {version}; this isheep reads up to "
                f"{MANIFEST_VERSION}. Use the newer isheep that wrote it, or another store."
            )
        return document_type.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(step) for step in problem["loc"]) or "document"
        raise StoreCorruptError(
            f"{where} is damaged ({field}: {problem['msg']}). {remedy}"
        ) from None
