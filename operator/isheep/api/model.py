"""M(0): the location and revision of the base model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isheep.api.base import LocalObjectReference, SpecModel, Text

# No file has control characters in its name, and messages and logs contain the URI.
_CONTROL = r"\x00-\x1f\x7f"
# No segment consists of dots only: "..", in the folder of a claim, would lead out of the claim.
_SEGMENT = rf"\.*[^/.{_CONTROL}][^/{_CONTROL}]*"
_PATH = rf"/*{_SEGMENT}(/+{_SEGMENT})*/*"
STORAGE_URI_PATTERN = (
    r"^(hf://[A-Za-z0-9][-A-Za-z0-9_.]*/[A-Za-z0-9][-A-Za-z0-9_.]*"
    rf"|s3://[a-z0-9][-a-z0-9.]{{1,61}}[a-z0-9]/{_PATH}"
    rf"|pvc://[a-z0-9][-a-z0-9.]{{0,252}}/{_PATH}"
    rf"|file:///[^{_CONTROL}]+)$"
)

StorageUri = Annotated[Text, Field(min_length=1, max_length=1024, pattern=STORAGE_URI_PATTERN)]


class Model(SpecModel):
    """The base model M(0)."""

    storage_uri: StorageUri = Field(
        description=(
            "Location of the base model M(0): hf://org/name, s3://bucket/path, pvc://claim/path, "
            "or file:///folder (for `isheep run` only, not in a cluster)."
        )
    )
    revision: Text | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9_./]*$",
        description=(
            "Commit, tag or branch of an hf:// model. It is resolved to a commit once and pinned. "
            "If absent: the newest commit when the run is first seen."
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret with the key `token`, for a model that is not public.",
    )
    remote_code: Literal["Deny"] = Field(
        default="Deny",
        description=(
            "Whether code from the model's repository may run. It is always denied, and weights "
            "are read from safetensors only."
        ),
    )
