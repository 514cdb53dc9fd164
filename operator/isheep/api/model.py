"""M(0): which base model, at which revision, and how it may be loaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isheep.api.base import LocalObjectReference, SpecModel, Text

STORAGE_URI_PATTERN = (
    r"^(hf://[A-Za-z0-9][-A-Za-z0-9_.]*/[A-Za-z0-9][-A-Za-z0-9_.]*"
    r"|s3://[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]/.+"
    r"|pvc://[a-z0-9][-a-z0-9.]{0,252}/.+"
    r"|file:///.+)$"
)

StorageUri = Annotated[Text, Field(min_length=1, max_length=1024, pattern=STORAGE_URI_PATTERN)]


class Model(SpecModel):
    """The base model M(0)."""

    storage_uri: StorageUri = Field(
        description=(
            "Where the base model M(0) is: hf://org/name, s3://bucket/path, pvc://claim/path, "
            "or file:///folder (which `isheep run` takes and a cluster does not)."
        )
    )
    revision: Text | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9_./]*$",
        description=(
            "Commit, tag or branch of an hf:// model; it is resolved to a commit once and pinned. "
            "Absent: the newest commit when the run is first seen."
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret with the key `token`, for a model that is not public.",
    )
    remote_code: Literal["Deny"] = Field(
        default="Deny",
        description=(
            "Whether code that comes with the model may run; it never may, and weights are read "
            "from safetensors only."
        ),
    )
