"""Where a run's data is, resolved: what an order tells a worker and `--store` a command.

A run's `spec.storage` names Secrets and may leave things out; this is what is left
once the driver has resolved it. It holds no credential and has no place for one:
those come from the process's own environment by boto3's chain (environment,
configuration files, web identity, instance role).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_CONFIG = ConfigDict(frozen=True, extra="ignore")


class FolderStoreSpec(BaseModel):
    """A folder of this machine, as an absolute path."""

    model_config = _CONFIG

    path: str = Field(pattern=r"^/")


class S3StoreSpec(BaseModel):
    """A bucket, and the prefix under which everything stands, without slashes at its ends."""

    model_config = _CONFIG

    bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$")
    prefix: str = Field(default="", pattern=r"^([-A-Za-z0-9_.]+(/[-A-Za-z0-9_.]+)*)?$")
    # No user name and password in a URL: it appears in messages and in status.
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")
    region: str | None = Field(default=None, pattern=r"^[-a-z0-9]+$")
    addressing: Literal["Virtual", "Path"] = "Virtual"


class StoreSpec(BaseModel):
    """Exactly one of a folder and a bucket."""

    model_config = _CONFIG

    folder: FolderStoreSpec | None = None
    s3: S3StoreSpec | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.folder is None) == (self.s3 is None):
            raise ValueError("a store is either a folder or s3")
        return self

    @property
    def place(self) -> FolderStoreSpec | S3StoreSpec:
        """The one of the two that is set."""
        place = self.folder or self.s3
        if place is None:
            raise ValueError("a store is either a folder or s3")
        return place

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`, or the folder's absolute path."""
        place = self.place
        if isinstance(place, FolderStoreSpec):
            return place.path
        return f"s3://{place.bucket}/{place.prefix}".rstrip("/")


def parse_store_uri(
    uri: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    addressing: Literal["Virtual", "Path"] = "Virtual",
) -> StoreSpec:
    """Return the store that `s3://bucket/prefix`, `file:///folder` or a path names.

    A relative path is taken from the working directory; the other arguments apply to
    S3 only (where they are None, AWS_ENDPOINT_URL and AWS_REGION apply, as boto3 reads
    them). Raises ValueError saying what is wrong with the URI.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator:
        if not uri:
            raise ValueError("store '': give a folder or s3://bucket/prefix")
        return _folder(Path(uri).expanduser().absolute())
    parts = urlsplit(uri)
    if parts.query or parts.fragment:
        raise ValueError(f"store {scheme}://…: there is nothing to say after '?' or '#'")
    if scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError(f"store {uri}: write file:///folder, with three slashes")
        return _folder(Path(unquote(parts.path)))
    if scheme != "s3":
        raise ValueError(f"store {scheme}://…: give a folder or s3://bucket/prefix")
    try:
        s3 = S3StoreSpec(
            bucket=parts.netloc,
            prefix=parts.path.strip("/"),
            endpoint=endpoint,
            region=region,
            addressing=addressing,
        )
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        raise ValueError(
            f"store s3://…: the {fields} cannot be right; write s3://bucket/prefix, with letters, "
            "digits, '-', '_' and '.', and no credential anywhere"
        ) from None
    return StoreSpec(s3=s3)


def _folder(path: Path) -> StoreSpec:
    return StoreSpec(folder=FolderStoreSpec(path=str(path)))
