"""The base of all documents that the operator and its workers exchange."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Contract(BaseModel):
    """Frozen, and camelCase on the wire.

    Unknown fields are ignored, so version N can read a document of version N+1.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )
