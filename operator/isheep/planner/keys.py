"""Keys: the input-addressed names of stages' artifacts.

A key is the SHA-256 of the canonical JSON (RFC 8785) of all that the stage's output
depends on: its kind and version, its settings (the resolved fields, prepare's
findings, digests of external inputs) and the keys of its input stages, by role.
Two stages with one key have one output, whoever makes it and when. RFC 8785 writes
8 and 8.0 alike, and the settings' models have already made every number of its
field's type. Never in a key: compute, storage, deadlines, package versions, batch
sizes, the run's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import rfc8785

from isheep.recipes.interface import Stage

KEYS_KEPT = 4096
"""Each pass over a run walks all its stages again, and canonical JSON is slow to make."""


def stage_key(stage: Stage, version: int, inputs: Mapping[str, Sequence[str]]) -> str:
    """Return the key, 64 hex digits; `inputs` maps roles to the input stages' keys."""
    settings = stage.settings.model_dump_json(by_alias=True, exclude_none=True)
    # The seed of an item is made from its stage's id, so the id is an input too.
    document = {
        "kind": str(stage.kind),
        "version": version,
        "id": stage.id,
        "inputs": {role: list(keys) for role, keys in inputs.items()},
    }
    return _hashed(json.dumps(document), settings)


@lru_cache(maxsize=KEYS_KEPT)
def _hashed(document: str, settings: str) -> str:
    """Return the hash of a document and the settings in it; both are JSON in any form."""
    whole = {**json.loads(document), "settings": json.loads(settings)}
    return hashlib.sha256(rfc8785.dumps(whole)).hexdigest()
