"""prepare: checks the whole run, so its settings have all fields that any data depends on."""

from __future__ import annotations

from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes import settings as s
from isheep.recipes.interface import Stage
from isheep.recipes.pinned_spec import WRITERS
from isheep.recipes.stage_kinds import StageKind

_NO_DATA_FIELDS = frozenset(
    {
        *("activeDeadlineSeconds", "compute", "managedBy", "serviceAccountName", "storage"),
        *("suspend", "ttlSecondsAfterFinished", WRITERS),
    }
)
"""The fields of the spec that no data depends on. A new field counts as data until it is here."""

_NO_DATA_MEMBERS = {
    "model": ("secretRef",),
    "training": ("numNodes",),
}
"""Fields of other objects that no data depends on."""

_NO_DATA_ENDPOINT = (
    *("secretRef", "maxConcurrentRequests", "requestsPerMinute"),
    *("timeoutSeconds", "maxRetries"),
)
"""Fields of the judge's endpoint that no data depends on. prepare reads its URL."""

_NO_DATA_VLLM = ("tensorParallelSize", "gpuMemoryUtilization", "enforceEager", "maxNumSeqs")


def prepare(spec: SelfAlignmentRunSpec) -> Stage:
    """Return the first stage of every run."""
    return Stage(
        "prepare",
        StageKind.PREPARE,
        iteration=0,
        settings=s.PrepareSettings(spec=data_fields(spec)),
    )


def data_fields(spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    """Return the part of the spec that the data of some stage depends on, as JSON values."""
    document = spec.document()
    fields = {name: value for name, value in document.items() if name not in _NO_DATA_FIELDS}
    for name, members in _NO_DATA_MEMBERS.items():
        fields[name] = {k: v for k, v in fields[name].items() if k not in members}
    if "judge" in fields:
        fields["judge"] = {
            form: {k: v for k, v in members.items() if k not in _NO_DATA_ENDPOINT}
            for form, members in fields["judge"].items()
        }
    vllm = {k: v for k, v in fields["engine"]["vllm"].items() if k not in _NO_DATA_VLLM}
    fields["engine"] = {**fields["engine"], "vllm": vllm}
    return fields
