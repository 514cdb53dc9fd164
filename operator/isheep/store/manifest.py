"""The manifest: the document that commits a stage.

A stage writes its manifest once, after all other objects. The manifest lists every part and file
with its size and SHA-256, so a reader detects a damaged stage. It also records the stage's inputs,
software, times and run. Everything that decides the output is in the key. Information that does not
decide it (packages, device, timings) is in the manifest only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from isheep.contract.document import Contract
from isheep.contract.order import RunRef
from isheep.contract.rule_names import current_examples, current_statistics
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
    """A part: `items` lines of JSON, compressed with zstd.

    The digest and the size are those of the compressed part.
    """

    index: int = Field(ge=0)
    items: int = Field(ge=0)
    statistics: Mapping[str, int | float] = Field(default_factory=dict)

    _current_statistics = field_validator("statistics")(current_statistics)


class StageInfo(Contract):
    """The stage and its iteration; `id` is `prepare` or `i<t>/<stage>[/r<k>]`."""

    kind: str
    version: int
    id: str
    iteration: int
    round: int | None = None


class Environment(Contract):
    """The software and hardware of a stage: package versions, device, model and image."""

    packages: Mapping[str, str] = Field(default_factory=dict)
    device: str | None = None
    model: str | None = None
    image: str | None = None

    @property
    def gpus(self) -> int:
        """The number of GPUs in the description of the device, such as `NVIDIA H200, NVIDIA H200`.

        The description of a CPU begins with its number of cores, such as `2 x Intel Xeon`.
        """
        if self.device is None or re.match(r"\d+ x ", self.device):
            return 0
        return len(self.device.split(", "))


class Timings(Contract):
    """When the stage ran, and its seconds of loading, engine work and CPU work."""

    started_at: AwareDatetime
    finished_at: AwareDatetime
    load_seconds: float = 0.0
    engine_seconds: float = 0.0
    cpu_seconds: float = 0.0


class Manifest(Contract):
    """A committed stage. The key was computed from `settings`.

    `examples` contains a few texts that each rule dropped, for readers of the report.
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

    _current_statistics = field_validator("statistics")(current_statistics)
    _current_examples = field_validator("examples")(current_examples)

    @property
    def items(self) -> int:
        """The number of lines of all parts."""
        return sum(part.items for part in self.parts)


class CheckpointManifest(Contract):
    """A complete checkpoint. A trainer can resume from it only with an equal `context`."""

    schema_version: int = MANIFEST_VERSION
    step: int
    files: tuple[FileInfo, ...]
    context: Mapping[str, Any] = Field(default_factory=dict)


DocumentT = TypeVar("DocumentT", bound=Contract)


class _Version(Contract):
    schema_version: int = Field(ge=1)


def encode(document: Contract) -> bytes:
    """Return a document as JSON, indented for human readers."""
    return document.model_dump_json(by_alias=True, indent=2).encode() + b"\n"


def decode(document_type: type[DocumentT], content: bytes, where: str, remedy: str) -> DocumentT:
    """Return the document in `content`; messages name its place by `where`.

    Raises:
        StoreVersionError: The document has a newer schema version.
        StoreCorruptError: The document is damaged; the message contains `remedy`.
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
