"""The resolved location of a run's data, as an order and the option `--store` contain it.

A run's `spec.storage` names Secrets and may omit values; the driver resolves it to this form. The
form has no field for a credential. Credentials come from the process's environment by boto3's chain
(environment, configuration files, web identity, instance role).
"""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from isheep.contract.choices import Addressing

_SEGMENT = r"\.*[-A-Za-z0-9_][-A-Za-z0-9_.]*"
PREFIX_PATTERN = rf"^{_SEGMENT}(/{_SEGMENT})*$"
"""Segments of plain characters. None is `..`, which a store in a folder would follow."""

_CONFIG = ConfigDict(frozen=True, extra="ignore")


class FolderStoreSpec(BaseModel):
    """A folder on this machine, as an absolute path."""

    model_config = _CONFIG

    path: str = Field(pattern=r"^/")


class S3StoreSpec(BaseModel):
    """A bucket, and the prefix of all keys, without slashes at its ends."""

    model_config = _CONFIG

    bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$")
    prefix: str = Field(default="", pattern=rf"^$|{PREFIX_PATTERN}")
    # The pattern allows no user name and password, because the URL appears in messages and status.
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")
    region: str | None = Field(default=None, pattern=r"^[-a-z0-9]+$")
    addressing: Addressing | None = None
    """None for the configuration of the AWS tools (`s3.addressing_style`), as for the others."""


class StoreSpec(BaseModel):
    """Exactly one of a folder and a bucket."""

    model_config = _CONFIG

    folder: FolderStoreSpec | None = None
    s3: S3StoreSpec | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.folder is None) == (self.s3 is None):
            raise ValueError("a store must have exactly one of folder and s3")
        return self

    @property
    def place(self) -> FolderStoreSpec | S3StoreSpec:
        """The folder or the bucket, whichever is set."""
        place = self.folder or self.s3
        if place is None:
            raise ValueError("a store must have exactly one of folder and s3")
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
    addressing: Addressing | None = None,
) -> StoreSpec:
    """Return the store that `s3://bucket/prefix`, `file:///folder` or a path names.

    A relative path starts at the working directory. The other arguments apply to S3 only. If one is
    None, boto3 uses AWS_ENDPOINT_URL, AWS_REGION, or `addressing_style` in its configuration file.

    Raises:
        ValueError: The URI is not valid; the message gives the problem and the remedy.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator:
        if not uri:
            raise ValueError("store '': give a folder or s3://bucket/prefix")
        return _folder(Path(uri).expanduser().absolute())
    parts = urlsplit(uri)
    if parts.query or parts.fragment:
        raise ValueError(f"store {scheme}://…: remove the part after '?' or '#'")
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
            f"store s3://…: not valid: {fields}; write s3://bucket/prefix with letters, digits, "
            "'-', '_' and '.', and without a credential"
        ) from None
    return StoreSpec(s3=s3)


def _folder(path: Path) -> StoreSpec:
    return StoreSpec(folder=FolderStoreSpec(path=str(path)))
