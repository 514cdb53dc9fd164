"""`status.resolved` has what the spec of its generation means, and nothing else changes it.

It contains the spec with all defaults, a digest of each value that the user wrote, the versions of
the stages, the image, and what prepare has found. A later version of the operator compares the
digests (`planner/seen_fields.py`), so their form must not change, and this invariant computes them
itself. The installation never changes here, so the values are those of the spec also after edits.
No edit of the simulation names another source, so the digests of the sources stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.yardstick import Yardstick
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from ...unit.isheep.planner.prepared_inputs import prepared_for, with_evaluation
from ..api_server import RUNS, Json
from ..history import History

WHOLE = ("seedTasks", "storage", "judge")
"""The fields whose value has one digest; lists and plain values have one, too."""
DIGITS = 40
VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
IMAGE = "image-1"
SOURCES = {
    "model": "modelDigest",
    "modelRevision": "modelRevision",
    "seedTasks": "seedTasksDigest",
    "templates": "templatesDigest",
}
"""The inputs that each prepare finds, and their names in its result."""


def violations(history: History) -> list[str]:
    """Return the versions of runs whose resolved values are wrong."""
    return [f"version {version} has resolved {what}" for version, what in _wrong_versions(history)]


def _wrong_versions(history: History) -> Iterator[tuple[int, str]]:
    specs: dict[tuple[str, int], Json] = {}
    before: dict[str, Json] = {}
    for change in history.changes:
        if change.resource != RUNS:
            continue
        metadata, status = change.document["metadata"], change.document.get("status") or {}
        uid = metadata["uid"]
        specs.setdefault((uid, metadata["generation"]), change.document["spec"])
        now = status.get("resolved")
        if now is None:
            if before.pop(uid, None) is not None and change.version not in history.exempt:
                yield change.version, "nothing any more"
            continue
        last = before.get(uid)
        if now is last:
            continue
        before[uid] = now
        if now["generation"] != status["observedGeneration"]:
            yield change.version, f"generation {now['generation']}"
        stages = status.get("stages") or ()
        keys = {stage["key"] for stage in stages if stage["id"] == "prepare"}
        if keys - {now["prepareKey"]}:
            yield change.version, f"the key {now['prepareKey']} of prepare, and its stage {keys}"
        spec = specs.get((uid, now["generation"]))
        for what in _wrong(now, last, spec) if spec is not None else ():
            yield change.version, what


def _wrong(now: Json, last: Json | None, spec: Json) -> Iterator[str]:
    """Yield what is wrong in resolved values of a spec; `last` are those of the version before."""
    whole, seen, prepared = _expected(json.dumps(spec))
    for name, wanted in (
        ("spec", whole),
        ("seen", seen),
        ("stageVersions", VERSIONS),
        ("workerImage", IMAGE),
    ):
        if now.get(name) != wanted:
            yield f"{name}: {_difference(now.get(name), wanted)}"
    found, inputs = now.get("prepared"), now.get("inputs") or {}
    if found is not None and found != prepared:
        yield f"prepared: {_difference(found, prepared)}"
    kept = {} if last is None else last.get("inputs") or {}
    if not kept.items() <= inputs.items():
        yield f"the inputs {inputs} after {kept}"
    if found is not None:
        wanted = {name: found[key] for name, key in SOURCES.items()}
        if not wanted.items() <= inputs.items():
            yield f"the inputs {inputs}, and prepare has found {wanted}"
    if last is None:
        return
    same = last["generation"] == now["generation"]
    if same and last["prepareKey"] != now["prepareKey"]:
        yield "another key of prepare without an edit"
    if same and "prepared" in last and found is None:
        yield "no result of prepare any more"


@lru_cache(5000)
def _expected(text: str) -> tuple[Json, Json, Json]:
    """Return the spec with its defaults, the digests of its values, and what prepare finds."""
    document = json.loads(text)
    spec = SelfAlignmentRunSpec.read_stored(document)
    if spec.yardstick is None:
        spec = spec.model_copy(update={"yardstick": Yardstick()})
    prepared = with_evaluation(prepared_for(spec.model.storage_uri), spec)
    found = prepared.model_dump(mode="json", by_alias=True, exclude_none=True)
    return spec.document(), {"$digests": DIGITS, **_digests(document)}, found


def _digests(fields: Json) -> Json:
    return {
        name: _digests(value)
        if isinstance(value, dict) and name not in WHOLE
        else hashlib.sha256(
            json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()[:DIGITS]
        for name, value in fields.items()
        if value is not None
    }


def _difference(found: Any, wanted: Any) -> str:
    """Return the first member that differs."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                return f"{name}.{_difference(found.get(name), wanted.get(name))}"
    return f"{found}, and not {wanted}"
