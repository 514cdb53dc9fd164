"""The resources and the placement of a run's pods, by pool.

Every field is typed. No field leads to a host path, to privileges or to another security context,
because every user who may create a run could then use it. `isheep run` ignores all of this and uses
its own machine.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isheep.api.affinity import Affinity
from isheep.api.base import (
    KEY_CHARACTERS,
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
from isheep.api.written_limits import Most
from isheep.contract.choices import GRACE_SECONDS, MOST_GRACE_SECONDS, JobGrouping, RunJobs
from isheep.contract.choices import Pool as PoolName
from isheep.contract.gpu_resources import asks_for_gpus, gpus_by_resource, gpus_of_claims

Quantities = Annotated[Map[Quantity], Most(8)]
AnnotationValue = Annotated[Text, Most(256)]


class Resources(SpecModel):
    """Requests and limits of the worker container. GPUs are limits (`nvidia.com/gpu: 1`)."""

    requests: Quantities = Field(default_factory=dict, description="Resources that are reserved.")
    limits: Quantities = Field(
        default_factory=dict, description="Resources that the container cannot exceed."
    )


class Toleration(SpecModel):
    """A taint that pods tolerate, with Kubernetes' own fields."""

    key: Annotated[Text, Most(KEY_CHARACTERS, r"^[-A-Za-z0-9_./]*$")] | None = Field(
        default=None, description="Key of the taint. If absent: every taint."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How key and value are compared. If absent: Equal."
    )
    value: Annotated[Text, Most(63, r"^[-A-Za-z0-9_.]*$")] | None = Field(
        default=None, description="Value of the taint."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. If absent: every effect."
    )
    toleration_seconds: Integer | None = Field(
        default=None,
        ge=0,
        le=31536000,
        description="Seconds for which a NoExecute taint is tolerated. If absent: forever.",
    )


class SecretKeyReference(SpecModel):
    """A key of a Secret in the run's namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the run's namespace.")
    key: Text = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]+$",
        description="Key of the Secret that holds the value.",
    )


class EnvSource(SpecModel):
    """The source of a variable's value: exactly one of the fields."""

    secret_key_ref: SecretKeyReference | None = Field(
        default=None, description="A key of a Secret."
    )
    config_map_key_ref: ConfigMapKeyReference | None = Field(
        default=None, description="A key of a ConfigMap."
    )


class EnvVar(SpecModel):
    """An environment variable of the worker container: `value` or `valueFrom`."""

    name: Annotated[Text, Most(128)] = Field(
        min_length=1,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the variable. The prefix ISHEEP_ is reserved for the operator.",
    )
    value: Annotated[Text, Most(400)] | None = Field(
        default=None,
        description="Value of the variable. A longer one can be a key of a ConfigMap.",
    )
    value_from: EnvSource | None = Field(default=None, description="Source of the value.")


class ResourceClaim(SpecModel):
    """A claim of devices for each pod, made from a ResourceClaimTemplate."""

    name: Annotated[Text, Most(63, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = Field(
        description="Name of the claim inside of the pod."
    )
    resource_claim_template_name: Annotated[Text, Most(63, r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] = (
        Field(description="ResourceClaimTemplate in the run's namespace.")
    )


class Pool(SpecModel):
    """The pods of one pool."""

    resources: Resources = Field(
        default=Resources(), description="Requests and limits of the worker container."
    )
    resource_claims: Annotated[tuple[ResourceClaim, ...], Most(4)] = Field(
        default=(),
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description=(
            "Claims of devices by dynamic resource allocation (Kubernetes 1.34 or newer). The "
            "worker container gets all devices of the claims, and GPUs are expected among them."
        ),
    )
    node_selector: Annotated[Map[LabelValue], Most(8)] = Field(
        default_factory=dict, description="Labels that a node must have."
    )
    tolerations: Annotated[tuple[Toleration, ...], Most(16)] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        description="Taints that the pods tolerate.",
    )
    affinity: Affinity | None = Field(
        default=None, description="Rules for the placement of the pods."
    )
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
        description="Worker image. If absent: the image of the chart's values.",
    )
    image_pull_secrets: Annotated[tuple[LocalObjectReference, ...], Most(8)] = Field(
        default=(),
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description="Secrets for the registry of the image.",
    )
    env: Annotated[tuple[EnvVar, ...], Most(24)] = Field(
        default=(),
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        description="Additional environment variables of the worker container.",
    )
    pod_labels: Annotated[Map[LabelValue], Most(16)] = Field(
        default_factory=dict, description="Additional labels of the pods."
    )
    pod_annotations: Annotated[Map[AnnotationValue], Most(10)] = Field(
        default_factory=dict, description="Additional annotations of the pods."
    )
    shm_size: Quantity | None = Field(
        default=None,
        description=(
            "Size of /dev/shm, which counts as memory. If absent: half of the memory limit."
        ),
    )
    termination_grace_period_seconds: Integer = Field(
        default=GRACE_SECONDS,
        ge=1,
        le=MOST_GRACE_SECONDS,
        description="Seconds from SIGTERM to SIGKILL, in which a worker saves its work.",
    )

    @property
    def asks_for_gpus(self) -> bool:
        """Whether the pods get GPUs: by a limit, or by a claim of devices."""
        return asks_for_gpus(self.resources.limits) or bool(self.resource_claims)

    @property
    def gpus(self) -> dict[str, int]:
        """The GPUs of a pod by resource; a claim counts as one, because its size is unknown."""
        claims = [one.resource_claim_template_name for one in self.resource_claims]
        return gpus_by_resource(self.resources.limits) | gpus_of_claims(claims)


class InferencePool(Pool):
    """The pods of the stages that use an inference engine."""

    parallelism: Integer = Field(
        default=1,
        ge=1,
        le=512,
        description="Number of pods that share the parts of a stage. It changes no output.",
    )
    jobs: JobGrouping = Field(
        default="PerRole",
        description=(
            "Which stages of an iteration one Job executes. The pods of a Job load the model once. "
            "PerRole: one Job for the rounds and the responses, and one for the scores. Joined: "
            "one Job for all of them, if they use the same model. PerStage: one Job for each "
            "stage. It changes no output."
        ),
    )


class ModelCache(SpecModel):
    """A volume that keeps downloaded models and compiled code for later Jobs."""

    claim_name: ObjectName = Field(
        description=(
            "PersistentVolumeClaim in the run's namespace that all pods of the run can mount."
        )
    )


class Compute(SpecModel):
    """The pools, and the settings that they share. They change no output."""

    jobs: RunJobs = Field(
        default="PerPool",
        description=(
            "Whether each pool has Jobs. PerPool: the stages of each pool have Jobs, as "
            "inference.jobs groups them. Run: one Job executes all stages after prepare in one "
            "pod, with the settings of inference. Choose it if the GPUs of the run are on one "
            "node. All GPUs of the pod are used for inference, and then for training."
        ),
    )
    inference: InferencePool = Field(
        default=InferencePool(),
        description=(
            "Pods of generate, classify, instantiate, respond, assess and measure, and of curate "
            "and topics unless jobs is PerStage."
        ),
    )
    training: Pool = Field(default=Pool(), description="Pods of train.")
    processing: Pool = Field(
        default=Pool(), description="Pods of prepare, curate, topics, select, merge and report."
    )
    model_cache: ModelCache | None = Field(
        default=None,
        description=(
            "Volume for downloaded models and compiled code. If absent: each pod downloads its "
            "model, and compiles it."
        ),
    )

    def pool(self, name: PoolName) -> Pool:
        """Return the settings of one kind of pods."""
        pools = {
            PoolName.INFERENCE: self.inference,
            PoolName.TRAINING: self.training,
            PoolName.PROCESSING: self.processing,
        }
        return pools[name]
