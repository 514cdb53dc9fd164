"""A release is verified by its digests, its provenance and its signature; any change is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from release.checksums import digests, write_sums
from release.commands import ReleaseError
from release.provenance import ENVELOPE_FILE, STATEMENT_FILE, encode, envelope, statement
from release.source import Source
from release.verify import main, verify

SOURCE = Source("0.2.0", "c" * 40, 1_700_000_000)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write_keys(folder: Path, name: str) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "own")


@pytest.fixture
def release(tmp_path: Path, keys: tuple[Path, Path]) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "isheep-0.2.0.tgz").write_bytes(b"chart")
    (folder / "isheep-0.2.0.whl").write_bytes(b"wheel")
    locks = {"requirements/operator.txt": "0" * 64}
    payload = encode(
        statement(
            SOURCE,
            digests(folder),
            locks,
            images={"debian:bookworm-slim": "1" * 64},
            started=NOW,
            finished=NOW,
        )
    )
    (folder / STATEMENT_FILE).write_bytes(payload)
    (folder / ENVELOPE_FILE).write_text(json.dumps(envelope(payload, keys[0])))
    write_sums(folder, digests(folder))
    return folder


def test_an_unchanged_release_is_accepted_and_says_what_was_checked(release, keys) -> None:
    assert verify(release, keys[1]) == [
        "4 files have the digests in SHA256SUMS",
        f"built from commit {SOURCE.commit}",
        f"signed with {keys[1]}",
    ]
    assert verify(release, None)[-1] == "the signature was not checked: give the public key"


@pytest.mark.parametrize("change", ["changed", "missing", "additional"])
def test_another_set_of_files_is_refused(change: str, release: Path, keys) -> None:
    chart = release / "isheep-0.2.0.tgz"
    if change == "changed":
        chart.write_bytes(b"other")
    elif change == "missing":
        chart.unlink()
    else:
        (release / "isheep-0.3.0.tgz").touch()
    with pytest.raises(ReleaseError, match="missing, additional or changed"):
        verify(release, keys[1])


def test_a_changed_file_with_new_digests_is_refused_by_the_provenance(release, keys) -> None:
    (release / "isheep-0.2.0.tgz").write_bytes(b"other")
    write_sums(release, digests(release, frozenset({"SHA256SUMS"})))
    with pytest.raises(ReleaseError, match="the provenance is of other files"):
        verify(release, keys[1])


def test_the_key_of_someone_else_is_refused(release, keys, tmp_path: Path) -> None:
    _, other = write_keys(tmp_path, "other")
    with pytest.raises(ReleaseError, match=r"not signed with .*other\.pub"):
        verify(release, other)


def test_a_statement_that_was_changed_after_its_signature_is_refused(release, keys) -> None:
    document = json.loads((release / ENVELOPE_FILE).read_text())
    document["payload"] = document["payload"][:-8] + "AAAAAAA="
    (release / ENVELOPE_FILE).write_text(json.dumps(document))
    write_sums(release, digests(release, frozenset({"SHA256SUMS"})))
    with pytest.raises(ReleaseError, match="not signed"):
        verify(release, keys[1])


def test_an_unsigned_statement_beside_the_signed_one_is_refused(release, keys) -> None:
    document = json.loads((release / STATEMENT_FILE).read_text())
    document["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"] = {}
    (release / STATEMENT_FILE).write_text(json.dumps(document))
    write_sums(release, digests(release, frozenset({"SHA256SUMS"})))
    with pytest.raises(ReleaseError, match="not the signed one"):
        verify(release, keys[1])


def test_the_provenance_names_commit_locks_and_base_images(release: Path) -> None:
    document = json.loads((release / STATEMENT_FILE).read_text())
    found = document["predicate"]["buildDefinition"]["resolvedDependencies"]
    names = ["source", "requirements/operator.txt", "debian:bookworm-slim"]
    assert [one["name"] for one in found] == names


def test_a_file_that_is_no_key_is_refused(release: Path) -> None:
    wheel = release / "isheep-0.2.0.whl"
    with pytest.raises(ReleaseError, match="openssl genpkey -algorithm ed25519"):
        envelope(b"x", wheel)
    with pytest.raises(ReleaseError, match=r"isheep-0\.2\.0\.whl cannot be read as a public key"):
        verify(release, wheel)


def test_the_program_says_what_is_wrong_in_one_line(release, keys, capsys) -> None:
    (release / "isheep-0.2.0.tgz").write_bytes(b"other")
    assert main([str(release), str(keys[1])]) == 1
    assert capsys.readouterr().err.startswith("error: isheep-0.2.0.tgz is missing, additional")
    assert main([]) == 64
