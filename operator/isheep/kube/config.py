"""The operator's configuration: one YAML file, which the chart writes.

The operator reads the file once, at the start. An error in the file ends the process, with a
message that names the field, before the operator watches anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from isheep.api.base import Flag, Integer, Map, Number, ObjectName, SpecModel, Text
from isheep.api.gpu_usage import Prices
from isheep.api.storage import S3Storage, Storage
from isheep.contract.choices import AppArmorProfile, ImagePullPolicy
from isheep.contract.invalid_fields import invalid_fields
from isheep.contract.store_spec import StoreSpec
from isheep.logs import LogFormat


class ConfigError(ValueError):
    """The configuration cannot be used; the message names the file and the field."""


class LeaseConfig(SpecModel):
    """The Lease that fences writes. Without a namespace it is in the pod's namespace."""

    namespace: ObjectName | None = None
    name: ObjectName = "isheep-operator"
    duration_seconds: Integer = Field(
        default=22,
        ge=5,
        le=600,
        description=(
            "How long an operator that has gone keeps the others from writing. At least 22: a "
            "holder renews the Lease when half of this time is left, and a write takes up to 11."
        ),
    )


class LimitsConfig(SpecModel):
    """The limits of a namespace. A limit that is absent does not exist."""

    runs_per_namespace: Integer | None = Field(
        default=None,
        ge=1,
        le=100000,
        description="The most runs of a namespace that work at the same time.",
    )


class TtlConfig(SpecModel):
    """Whether the operator deletes runs after their `ttlSecondsAfterFinished`."""

    enabled: Flag = False


class TracingConfig(SpecModel):
    """The collector that gets the traces of runs, by OTLP over HTTP."""

    endpoint: Annotated[Text, Field(max_length=1024, pattern=r"^https?://[^/?#\s]+[^\s]*$")]


class Timings(SpecModel):
    """How often the operator checks what no watch event reports, in seconds."""

    first_look_seconds: Number = Field(
        default=15, gt=0, description="From a Job to its first inspection."
    )
    look_seconds: Number = Field(default=30, gt=0, description="Between inspections of pods.")
    poll_seconds: Number = Field(default=30, gt=0, description="Between reads of a pod's progress.")
    progress_seconds: Number = Field(default=60, ge=0, description="Between writes of progress.")
    list_seconds: Number = Field(default=300, gt=0, description="Between LISTs of everything.")


class OperatorConfig(SpecModel):
    """The settings of an installation for all runs."""

    worker_image: Annotated[Text, Field(min_length=1, max_length=512)]
    worker_image_pull_policy: ImagePullPolicy = "IfNotPresent"
    app_armor_profile: AppArmorProfile | None = Field(
        default=None,
        description=(
            "AppArmor profile of the runs' pods. If absent, the pods name none, because a node "
            "without AppArmor refuses a pod that does. The container runtime then applies its "
            "default profile on the nodes that have AppArmor."
        ),
    )
    watch_namespaces: tuple[ObjectName, ...] = ()
    default_storage: Storage | None = None
    model_mirrors: Map[Annotated[Text, Field(min_length=1, max_length=1024)]] = Field(
        default_factory=dict
    )
    prices: Prices | None = None
    http_port: Integer = Field(default=8080, ge=0, le=65535)
    workers: Integer = Field(
        default=16,
        ge=1,
        le=256,
        description="Passes at the same time; three in four serve only runs that changed.",
    )
    limits: LimitsConfig = LimitsConfig()
    ttl: TtlConfig = TtlConfig()
    lease: LeaseConfig = LeaseConfig()
    timings: Timings = Timings()
    tracing: TracingConfig | None = None
    debug: Flag = False
    log_format: LogFormat = "Text"

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """The namespaces to list and to watch; None is all namespaces."""
        return self.watch_namespaces or (None,)

    @property
    def default_s3(self) -> S3Storage | None:
        """The bucket of runs without `spec.storage`."""
        return self.default_storage.s3 if self.default_storage is not None else None

    @property
    def default_store(self) -> StoreSpec | None:
        """The store of runs without `spec.storage`, as orders contain it."""
        return None if self.default_s3 is None else self.default_s3.store_spec()


def load_config(path: Path) -> OperatorConfig:
    """Read the configuration; raises `ConfigError`, or OSError if the file cannot be read."""
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: the document is not a mapping; see the chart's values")
    try:
        config = OperatorConfig.read(document)
    except ValidationError as error:
        lines = [f"{path}: {field}" for field in invalid_fields(error)]
        raise ConfigError("\n".join(lines)) from error
    storage = config.default_storage
    if storage is not None and (storage.s3 is None or storage.folder is not None):
        raise ConfigError(f"{path}: defaultStorage: set s3 only, because pods share a bucket")
    return config
