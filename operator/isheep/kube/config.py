"""The operator's configuration: one YAML file, which the chart writes.

It is read once, at the start; whatever is wrong with it ends the process with a message
that names the field, before anything is watched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from isheep.api.base import Flag, Integer, Map, Number, ObjectName, SpecModel, Text
from isheep.api.storage import S3Storage, Storage
from isheep.contract.store_spec import StoreSpec


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and the field."""


class LeaseConfig(SpecModel):
    """The Lease without which nothing is written; absent namespace: the pod's own."""

    namespace: ObjectName | None = None
    name: ObjectName = "isheep-operator"
    duration_seconds: Integer = Field(default=30, ge=5, le=600)


class Timings(SpecModel):
    """How often the operator looks at what no event tells, in seconds."""

    first_look_seconds: Number = Field(default=15, gt=0, description="From a Job to its pods.")
    look_seconds: Number = Field(default=30, gt=0, description="While pods are not ready.")
    poll_seconds: Number = Field(default=30, gt=0, description="Of a working pod's progress.")
    progress_seconds: Number = Field(default=60, ge=0, description="Between progress writes.")
    list_seconds: Number = Field(default=300, gt=0, description="Between LISTs of everything.")


class OperatorConfig(SpecModel):
    """What an installation decides for all runs."""

    worker_image: Annotated[Text, Field(min_length=1, max_length=512)]
    worker_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    watch_namespaces: tuple[ObjectName, ...] = ()
    default_storage: Storage | None = None
    model_mirrors: Map[Annotated[Text, Field(min_length=1, max_length=1024)]] = Field(
        default_factory=dict
    )
    http_port: Integer = Field(default=8080, ge=0, le=65535)
    workers: Integer = Field(
        default=16,
        ge=1,
        le=256,
        description="Passes at the same time; three in four only over runs whose Job has news.",
    )
    lease: LeaseConfig = LeaseConfig()
    timings: Timings = Timings()
    debug: Flag = False

    @property
    def default_s3(self) -> S3Storage | None:
        """The bucket of runs that name no storage."""
        return self.default_storage.s3 if self.default_storage is not None else None

    @property
    def default_store(self) -> StoreSpec | None:
        """The same, as an order has it."""
        return None if self.default_s3 is None else self.default_s3.store_spec()


def load_config(path: Path) -> OperatorConfig:
    """Read the configuration; raises `ConfigError`, and OSError where there is none."""
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds no mapping; see the chart's values")
    try:
        config = OperatorConfig.read(document)
    except ValidationError as error:
        lines = [f"{path}: {_where(e['loc'])}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from error
    storage = config.default_storage
    if storage is not None and (storage.s3 is None or storage.folder is not None):
        raise ConfigError(f"{path}: defaultStorage: write s3 and nothing else; pods share a bucket")
    return config


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the document"
