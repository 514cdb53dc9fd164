"""The statement about how a release was built, and its signature.

The statement is an in-toto Statement v1 with the predicate SLSA Provenance v1. Its subjects are the
files of the release. With a key, the statement is in a signed DSSE envelope; a verifier computes
the signature over the type and the bytes of the statement.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from release.commands import ReleaseError
from release.source import Source

STATEMENT_FILE = "provenance.json"
ENVELOPE_FILE = "provenance.dsse.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_BUILD = "https://isheep.dev/release"


def statement(
    source: Source,
    subjects: Mapping[str, str],
    locks: Mapping[str, str],
    *,
    images: Mapping[str, str],
    started: datetime,
    finished: datetime,
) -> dict[str, Any]:
    """Return the statement.

    Args:
        source: The version and the commit.
        subjects: The SHA-256 of each file of the release by name.
        locks: The SHA-256 of each lock of dependencies by path.
        images: The SHA-256 of the manifest of each base image by name.
        started: When the build began.
        finished: When the build ended.
    """
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": d}} for name, d in subjects.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{_BUILD}/v1",
                "externalParameters": {"version": source.version},
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": source.commit}},
                    *(
                        {"name": name, "digest": {"sha256": d}}
                        for name, d in {**locks, **images}.items()
                    ),
                ],
            },
            "runDetails": {
                "builder": {"id": f"{_BUILD}/make"},
                "metadata": {
                    "startedOn": started.isoformat(timespec="seconds"),
                    "finishedOn": finished.isoformat(timespec="seconds"),
                },
            },
        },
    }


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a statement as the bytes that are signed."""
    return json.dumps(document, indent=1).encode()


def envelope(payload: bytes, key_file: Path) -> dict[str, Any]:
    """Return the signed envelope of a statement.

    Raises:
        ReleaseError: The file has no unencrypted Ed25519 key in PEM.
    """
    try:
        key = load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ReleaseError(f"{key_file} cannot be read as a private key: {_REMEDY}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ReleaseError(f"{key_file} is not an Ed25519 key: {_REMEDY}")
    signature = key.sign(_signed_bytes(payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": _key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}
        ],
    }


def opened(document: Mapping[str, Any], key_file: Path) -> bytes:
    """Return the statement of an envelope that the owner of a public key has signed.

    Raises:
        ReleaseError: The file has no such key, or the key has not signed the statement.
    """
    try:
        key = load_pem_public_key(key_file.read_bytes())
    except (ValueError, TypeError) as error:
        raise ReleaseError(f"{key_file} cannot be read as a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ReleaseError(f"{key_file} is not an Ed25519 key")
    payload = base64.b64decode(document["payload"])
    for one in document["signatures"]:
        try:
            key.verify(base64.b64decode(one["sig"]), _signed_bytes(payload))
        except InvalidSignature:
            continue
        return payload
    raise ReleaseError(f"the provenance is not signed with {key_file}: do not use this release")


_REMEDY = "make one with `openssl genpkey -algorithm ed25519 -out release-key.pem`"


def _signed_bytes(payload: bytes) -> bytes:
    """Return the pre-authentication encoding of DSSE v1."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _key_id(key: Ed25519PublicKey) -> str:
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()
