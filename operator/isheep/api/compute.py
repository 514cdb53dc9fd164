"""What the run's pods may use, by pool, and where they go.

Every field is typed: there is no way from here to a host path, to privilege or to
another security context, because whoever may create a run would have it too.
`isheep run` reads nothing of this: it uses the machine that it is on.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isheep.api.affinity import Affinity
from isheep.api.base import (
    ConfigMapKeyReference,
    Integer,
    LabelValue,
    LocalObjectReference,
    Map,
    ObjectName,
    Quantity,
    SpecModel,
    Text,
)

Quantities = Annotated[Map[Quantity], Field(max_length=16)]


class Resources(SpecModel):
    """Requests and limits of the worker container; GPUs are limits (`nvidia.com/gpu: 1`)."""

    requests: Quantities = Field(default_factory=dict, description="What is reserved.")
    limits: Quantities = Field(default_factory=dict, description="What is not exceeded.")


class Toleration(SpecModel):
    """A taint that pods tolerate; Kubernetes' own fields."""

    key: Text | None = Field(
        default=None, max_length=317, description="Key of the taint; absent: every taint."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How key and value are compared; absent: Equal."
    )
    value: Text | None = Field(default=None, max_length=63, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; absent: every effect."
    )
    toleration_seconds: Integer | None = Field(
        default=None, ge=0, le=31536000, description="How long a NoExecute taint is tolerated."
    )


class SecretKeyReference(SpecModel):
    """One key of a Secret of the run's own namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the run's namespace.")
    key: Text = Field(
        min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Its key."
    )


class EnvSource(SpecModel):
    """Exactly one of the places where a variable's value can be."""

    secret_key_ref: SecretKeyReference | None = Field(default=None, description="A Secret's key.")
    config_map_key_ref: ConfigMapKeyReference | None = Field(
        default=None, description="A ConfigMap's key."
    )


class EnvVar(SpecModel):
    """An environment variable of the worker container: `value` or `valueFrom`."""

    name: Text = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the variable; ISHEEP_ is the operator's own prefix.",
    )
    value: Text | None = Field(default=None, max_length=4096, description="Its value.")
    value_from: EnvSource | None = Field(default=None, description="Where its value is.")


class Pool(SpecModel):
    """Pods of one kind."""

    resources: Resources = Field(
        default=Resources(), description="Requests and limits of the worker container."
    )
    node_selector: Map[LabelValue] = Field(
        default_factory=dict, max_length=32, description="Labels that a node must have."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(),
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Taints that the pods tolerate.",
    )
    affinity: Affinity | None = Field(default=None, description="Where the pods go.")
    priority_class_name: ObjectName | None = Field(
        default=None, description="PriorityClass of the pods."
    )
    runtime_class_name: ObjectName | None = Field(
        default=None, description="RuntimeClass of the pods."
    )
    scheduler_name: ObjectName | None = Field(default=None, description="Scheduler of the pods.")
    image: Text | None = Field(
        default=None,
        min_length=1,
        max_length=512,
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9._/:@]*$",
        description="Worker image; absent: the chart's.",
    )
    image_pull_secrets: tuple[LocalObjectReference, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description="Secrets with which the image is pulled.",
    )
    env: tuple[EnvVar, ...] = Field(
        default=(),
        max_length=64,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description="Further environment variables of the worker container.",
    )
    pod_labels: Map[LabelValue] = Field(
        default_factory=dict, max_length=32, description="Further labels of the pods."
    )
    pod_annotations: Map[Annotated[Text, Field(max_length=4096)]] = Field(
        default_factory=dict, max_length=32, description="Further annotations of the pods."
    )
    shm_size: Quantity | None = Field(
        default=None,
        description="Size of /dev/shm, which counts as memory; absent: half of the memory limit.",
    )
    termination_grace_period_seconds: Integer = Field(
        default=120,
        ge=1,
        le=3600,
        description="Time from SIGTERM to SIGKILL, in which a worker saves what it has.",
    )


class InferencePool(Pool):
    """Pods that generate, respond, assess and measure."""

    parallelism: Integer = Field(
        default=1,
        ge=1,
        le=512,
        description="Pods that share a stage's parts; no output depends on it.",
    )
    jobs: Literal["PerStage", "Joined"] = Field(
        default="PerStage",
        description=(
            "One Job a stage, or one for neighbouring stages with the same model (respond and "
            "assess), which then load it once."
        ),
    )


class ModelCache(SpecModel):
    """A volume that keeps downloaded models from Job to Job."""

    claim_name: ObjectName = Field(
        description="PersistentVolumeClaim of the run's namespace that all its pods can mount."
    )


class Compute(SpecModel):
    """The pools, and what they share. Nothing here changes any output."""

    inference: InferencePool = Field(
        default=InferencePool(), description="Pods of generate, respond, assess and measure."
    )
    training: Pool = Field(default=Pool(), description="Pods of train.")
    processing: Pool = Field(
        default=Pool(), description="Pods of prepare, curate, select, merge and report."
    )
    model_cache: ModelCache | None = Field(
        default=None, description="Where downloaded models are kept; absent: in the pod."
    )
