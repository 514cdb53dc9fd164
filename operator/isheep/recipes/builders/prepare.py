"""prepare: checks the whole run, so it depends on all fields that any data depends on."""

from __future__ import annotations

from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes import settings as s
from isheep.recipes.interface import Stage, StageKind

_NO_DATA_FIELDS = frozenset(
    {"activeDeadlineSeconds", "compute", "serviceAccountName", "storage", "suspend"}
)
"""The fields of the spec that no stage's data depends on; a new one is data until named here."""

_NO_DATA_MEMBERS = {
    "model": ("secretRef",),
    "training": ("numNodes",),
}
"""Members of others that change no output."""

_NO_DATA_VLLM = ("tensorParallelSize", "gpuMemoryUtilization", "enforceEager", "maxNumSeqs")


def prepare(spec: SelfAlignmentRunSpec) -> Stage:
    """Return the stage with which every run begins."""
    return Stage(
        "prepare",
        StageKind.PREPARE,
        iteration=0,
        settings=s.PrepareSettings(spec=data_fields(spec)),
    )


def data_fields(spec: SelfAlignmentRunSpec) -> dict[str, Any]:
    """Return the part of the spec on which some stage's data depends, as JSON values."""
    document = spec.document()
    fields = {name: value for name, value in document.items() if name not in _NO_DATA_FIELDS}
    for name, members in _NO_DATA_MEMBERS.items():
        fields[name] = {k: v for k, v in fields[name].items() if k not in members}
    vllm = {k: v for k, v in fields["engine"]["vllm"].items() if k not in _NO_DATA_VLLM}
    fields["engine"] = {**fields["engine"], "vllm": vllm}
    return fields
