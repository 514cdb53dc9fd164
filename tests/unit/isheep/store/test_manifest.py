from __future__ import annotations

from datetime import UTC, datetime

import pytest

from isheep.contract.order import RunRef
from isheep.store.interface import StoreCorruptError, StoreVersionError
from isheep.store.manifest import (
    Environment,
    FileInfo,
    Manifest,
    PartInfo,
    StageInfo,
    Timings,
    decode,
    encode,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MANIFEST = Manifest(
    key="ab",
    stage=StageInfo(kind="curate", version=2, id="i1/curate/r3", iteration=1, round=3),
    parts=(
        PartInfo(index=0, name="p0", sha256="0" * 64, bytes=9, items=64, statistics={"a": 1.5}),
        PartInfo(index=1, name="p1", sha256="1" * 64, bytes=9, items=7, statistics={"n": 2}),
    ),
    files=(FileInfo(name="f", sha256="2" * 64, bytes=1),),
    inputs={"pool": ("cd", "ef")},
    settings={"rules": "ISheep", "maxRougeL": 0.7},
    environment=Environment(packages={"torch": "2.13.0"}, device="cpu"),
    timings=Timings(started_at=NOW, finished_at=NOW, cpu_seconds=0.25),
    statistics={"funnel": {"accepted": 71}},
    run=RunRef(namespace="ns", name="run", uid="uid"),
)


def test_a_decoded_manifest_equals_the_encoded_one() -> None:
    again = decode(Manifest, encode(MANIFEST), "m", "Remedy.")
    assert again == MANIFEST
    assert encode(again) == encode(MANIFEST)
    assert again.items == 71


def test_fields_of_a_later_version_are_ignored() -> None:
    content = encode(MANIFEST).replace(b'"schemaVersion"', b'"novelty": [1], "schemaVersion"', 1)
    assert decode(Manifest, content, "m", "Remedy.") == MANIFEST


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'"sha256": "000', b'"sha256": "xyz', r"m is damaged \(parts.0.sha256: .*\)\. Remedy\."),
        (b'"items": 64', b'"items": -1', r"parts.0.items"),
        (b'"startedAt"', b'"startedat"', r"timings.startedAt"),
        (b"}", b"", r"m is damaged"),
    ],
)
def test_the_error_for_a_damaged_manifest_names_the_field(
    old: bytes, new: bytes, problem: str
) -> None:
    content = encode(MANIFEST)
    assert old in content
    with pytest.raises(StoreCorruptError, match=problem):
        decode(Manifest, content.replace(old, new, 1), "m", "Remedy.")


def test_a_newer_schema_has_its_error() -> None:
    content = encode(MANIFEST).replace(b'"schemaVersion": 1', b'"schemaVersion": 7')
    with pytest.raises(StoreVersionError, match=r"m has schemaVersion 7.*newer isheep"):
        decode(Manifest, content, "m", "Remedy.")
