"""Keys: the input-addressed names of stages' artifacts.

A key is the SHA-256 of the canonical JSON (RFC 8785) of everything that the stage's output
depends on: its kind and version, its settings (resolved fields, results of prepare, digests of
external inputs) and the keys of its input stages, by role. Two stages with the same key have the
same output. RFC 8785 writes 8 and 8.0 alike, and the settings' models have already converted
every number to the type of its field. A key never contains compute, storage, deadlines, package
versions, batch sizes or the run's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import rfc8785

from isheep.recipes.interface import Stage

KEYS_KEPT = 4096
"""Size of the cache: each plan walks all stages of a run again, and canonical JSON is slow."""


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
