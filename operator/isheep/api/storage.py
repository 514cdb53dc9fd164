"""Where a run's stages leave their data.

Exactly one member is set. It cannot be changed while the run exists: everything
that the run has committed would be out of reach.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isheep.api.base import LocalObjectReference, SpecModel, Text
from isheep.contract.store_spec import S3StoreSpec, StoreSpec


class S3Storage(SpecModel):
    """A bucket of an object store that speaks S3 and honours conditional writes."""

    bucket: Text = Field(
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$",
        description="Name of the bucket; it must exist.",
    )
    prefix: Text | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        pattern=r"^[-A-Za-z0-9_.]+(/[-A-Za-z0-9_.]+)*$",
        description="Key prefix under which everything is written, without a slash at either end.",
    )
    endpoint: Text | None = Field(
        default=None,
        max_length=512,
        pattern=r"^https?://[-A-Za-z0-9.:]+(/[-A-Za-z0-9._~/]*)?$",
        description="URL of the object store; absent: AWS's own for the region.",
    )
    region: Text | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=r"^[-a-z0-9]+$",
        description="Region of the bucket; absent: as the environment's AWS settings say.",
    )
    addressing: Literal["Virtual", "Path"] = Field(
        default="Virtual",
        description=(
            "Whether the bucket stands in the host name (Virtual) or in the path (Path), as many "
            "stores of one's own want it."
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description=(
            "Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; absent: the "
            "identity of the pod or of the shell."
        ),
    )

    def store_spec(self) -> StoreSpec:
        """Return the bucket as an order has it, without the name of its Secret."""
        return StoreSpec(
            s3=S3StoreSpec(
                bucket=self.bucket,
                prefix=self.prefix or "",
                endpoint=self.endpoint,
                region=self.region,
                addressing=self.addressing,
            )
        )


class FolderStorage(SpecModel):
    """A folder of the machine that carries the run out."""

    path: Text = Field(
        min_length=1,
        max_length=1024,
        description=(
            "Folder, made where it does not exist; a relative one is relative to the working "
            "directory of `isheep run`."
        ),
    )


class Storage(SpecModel):
    """Exactly one of the places where a run's data can be."""

    s3: S3Storage | None = Field(default=None, description="A bucket of an S3 object store.")
    folder: FolderStorage | None = Field(
        default=None,
        description=(
            "A folder, which only `isheep run` takes: in a cluster the run waits, Stalled, and "
            "says so."
        ),
    )
