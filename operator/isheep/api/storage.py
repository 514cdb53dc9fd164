"""The location of a run's data.

Exactly one member is set. It cannot be changed while the run exists, because the run would lose
everything that it has committed.
"""

from __future__ import annotations

from pydantic import Field

from isheep.api.base import LocalObjectReference, SpecModel, Text
from isheep.contract.choices import Addressing
from isheep.contract.store_spec import PREFIX_PATTERN, S3StoreSpec, StoreSpec

S3_ENDPOINT_PATTERN = (
    r"^https?://(\[[0-9A-Fa-f:.]+\](:[0-9]+)?|[-A-Za-z0-9.:]+)(/[-A-Za-z0-9._~/]*)?$"
)
"""A name or an address, without a user name and a query, which can contain a secret."""


class S3Storage(SpecModel):
    """A bucket of an object store with the S3 API and conditional writes."""

    bucket: Text = Field(
        min_length=3,
        max_length=63,
        pattern=r"^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$",
        description="Name of the bucket, which must exist.",
    )
    prefix: Text | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        pattern=PREFIX_PATTERN,
        description="Prefix of all keys, without a slash at either end, and without `..`.",
    )
    endpoint: Text | None = Field(
        default=None,
        max_length=512,
        pattern=S3_ENDPOINT_PATTERN,
        description="URL of the object store. If absent: the AWS endpoint of the region.",
    )
    region: Text | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        pattern=r"^[-a-z0-9]+$",
        description="Region of the bucket. If absent: the region of the AWS environment settings.",
    )
    addressing: Addressing = Field(
        default="Virtual",
        description=(
            "The part of the URL that contains the bucket: the host name (Virtual), or the path "
            "(Path), as many self-hosted stores require."
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description=(
            "Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. If absent: the "
            "identity of the pod or of the shell."
        ),
    )

    def store_spec(self) -> StoreSpec:
        """Return the bucket as an order names it, without the name of its Secret."""
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
    """A folder of the machine on which `isheep run` runs."""

    path: Text = Field(
        min_length=1,
        max_length=1024,
        description=(
            "Path of the folder, which is created if it does not exist. A relative path starts at "
            "the working directory of `isheep run`."
        ),
    )


class Storage(SpecModel):
    """The location of a run's data: exactly one of the fields."""

    s3: S3Storage | None = Field(default=None, description="A bucket of an S3 object store.")
    folder: FolderStorage | None = Field(
        default=None,
        description=(
            "A folder, for `isheep run` only. In a cluster, a run with a folder waits with the "
            "condition Stalled and the reason FolderStorage."
        ),
    )
