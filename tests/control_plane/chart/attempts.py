"""The form of an attempt of an attacker who may create runs, and a run that names what is listed.

The attempts themselves are in `credential_attempts` and `pod_attempts`.

The values under `LISTS` are allowed in the namespace `TEAM`. The namespace `NAMESPACE` has the
chart's default lists, and the namespace `LARGE` has the longest lists.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "attacks"
TEAM = "attacks-team"
LARGE = "attacks-large"
EVIL = "http://evil.example.com:18777"
HUB = "https://hub.example.com"
MIRROR = "https://mirror.example.com"
JUDGE = "https://judge.example.com:8443"
ADDRESS = "https://[2001:db8::7]:9000"

LISTS = {
    "serviceAccounts": ["default", "runner"],
    "imagePrefixes": ["registry.example.com/team"],
    "env": ["TEAM_*"],
    "envSources": ["WANDB_API_KEY=secret/wandb/key", "TEAM_MODE=configMap/team/mode"],
    "destinations": [
        "s3=https://s3.example.com",
        "hf=https://huggingface.co",
        f"s3={ADDRESS}",
        "PodIdentity=https://s3.example.com",
        f"hf={MIRROR}",
        f"judge={JUDGE}",
        f"grader={JUDGE}",
        *(f"{secret}={HUB}" for secret in ("s3", "hf", "wandb", "judge", "PodIdentity")),
    ],
    "imagePullSecrets": ["registry"],
    "configMaps": ["prompts-*"],
    "claims": ["models"],
    "podLabels": ["team", "app.kubernetes.io/part-of=alignment"],
    "podAnnotations": ["prometheus.io/*"],
    "tolerations": ["nvidia.com/gpu", "dedicated=team"],
    "priorityClasses": ["batch"],
    "runtimeClasses": ["nvidia"],
    "schedulers": ["volcano"],
    "resources": ["cpu", "memory", "nvidia.com/*"],
    "resourceClaimTemplates": ["gpu-*"],
    "queueLabels": ["kueue.x-k8s.io/queue-name=team"],
    "permissions": ["CodeExecution"],
}


def run_document(name: str = "run", **spec: Any) -> dict[str, Any]:
    required = {"recipe": "ISheep", "iterations": 1, "model": {"storageUri": "hf://org/name"}}
    return {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": name},
        "spec": required | spec,
    }


def pool(**fields: Any) -> dict[str, Any]:
    return {"compute": {"inference": fields}}


def variable(name: str, value: str) -> dict[str, Any]:
    return pool(env=[{"name": name, "value": value}])


def from_secret(name: str, secret: str, key: str) -> dict[str, Any]:
    source = {"secretKeyRef": {"name": secret, "key": key}}
    return {"name": name, "valueFrom": source}


def s3(secret: str | None = "s3", **fields: Any) -> dict[str, Any]:
    reference = {} if secret is None else {"secretRef": {"name": secret}}
    return {"storage": {"s3": {"bucket": "bucket", **reference, **fields}}}


def model(uri: str = "hf://org/name", **fields: Any) -> dict[str, Any]:
    return {"model": {"storageUri": uri, **fields}}


def near(kind: str, when: str, **term: Any) -> dict[str, Any]:
    topology = {"topologyKey": "kubernetes.io/hostname", **term}
    if when == "preferred":
        topology = {"weight": 1, "podAffinityTerm": topology}
    return pool(affinity={kind: {f"{when}DuringSchedulingIgnoredDuringExecution": [topology]}})


def benchmark(uri: str) -> dict[str, Any]:
    benchmarks = [{"name": "b", "storageUri": uri}]
    return {"curation": {"decontamination": {"benchmarks": benchmarks}}}


def endpoint(url: str, secret: str | None = "judge") -> dict[str, Any]:
    reference = {} if secret is None else {"secretRef": {"name": secret}}
    return {"judge": {"endpoint": {"url": url, "model": "judge-1", **reference}}}


def evaluated(uri: str, **fields: Any) -> dict[str, Any]:
    benchmarks = [{"name": "b", "task": "ifeval", "storageUri": uri}]
    return {"evaluation": {"benchmarks": benchmarks, **fields}}


def judged(uri: str) -> dict[str, Any]:
    judgements = [{"name": "j", "storageUri": uri}]
    return {"evaluation": {"judgements": judgements}, "judge": model("hf://org/judge")}


LISTED_RUN = run_document(
    serviceAccountName="runner",
    model={"storageUri": "pvc://models/name", "secretRef": {"name": "hf"}},
    promptsRef={"name": "prompts-a"},
    seedTasks={"configMapRef": {"name": "prompts-b", "key": "tasks"}},
    evaluation={
        "allowCodeExecution": True,
        "benchmarks": [{"name": "b", "task": "humaneval", "storageUri": "pvc://models/b"}],
    },
    **endpoint(f"{JUDGE}/v1"),
    **s3(endpoint=f"{ADDRESS}/path"),
    compute={
        "modelCache": {"claimName": "models"},
        "inference": {
            "image": "registry.example.com/team/worker:1",
            "imagePullSecrets": [{"name": "registry"}],
            "env": [
                {"name": "TEAM_COLOR", "value": "blue"},
                {"name": "NCCL_DEBUG", "value": "INFO"},
                {"name": "HF_ENDPOINT", "value": f"{HUB}/mirror"},
                from_secret("WANDB_API_KEY", "wandb", "key"),
                {
                    "name": "TEAM_MODE",
                    "valueFrom": {"configMapKeyRef": {"name": "team", "key": "mode"}},
                },
            ],
            "podLabels": {"team": "x", "app.kubernetes.io/part-of": "alignment"},
            "podAnnotations": {"prometheus.io/scrape": "true"},
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists"},
                {"key": "dedicated", "value": "team", "effect": "NoSchedule"},
            ],
            "priorityClassName": "batch",
            "runtimeClassName": "nvidia",
            "schedulerName": "volcano",
            "resources": {"limits": {"cpu": 1, "nvidia.com/mig-1g.5gb": 1}},
            "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu-large"}],
            **near("podAffinity", "required")["compute"]["inference"],
        },
    },
)
LISTED_RUN["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team", "any": "label"}


@dataclass(frozen=True)
class Attempt:
    """A spec, the rule that refuses it, the attacked fields of the rule, and the shown value."""

    title: str
    rule: str
    fields: tuple[str, ...]
    shows: str
    spec: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE

    @property
    def document(self) -> dict[str, Any]:
        document = run_document(**self.spec)
        document["metadata"]["labels"] = self.labels
        if self.namespace == TEAM and "storage" not in self.spec:
            document["spec"] |= s3(endpoint="https://s3.example.com")
        return document


POOL = "spec.compute.POOL."
SHOWN = "spec.compute.inference."
MODEL = "spec.model.storageUri"
SEEDS = "spec.seedTasks.storageUri"
TEXTS = "spec.curation.decontamination.benchmarks.storageUri"
EVALUATED = "spec.evaluation.benchmarks.storageUri"
JUDGED = "spec.evaluation.judgements.storageUri"
VALUE, NAME = POOL + "env.value", POOL + "env.name"
JUDGE_MODEL = "spec.judge.model.storageUri"
ENDPOINT = ("spec.judge.endpoint.url", "spec.judge.endpoint.secretRef.name")
SOURCE = POOL + "env.valueFrom."
SECRET_SOURCE = (SOURCE + "secretKeyRef.name", SOURCE + "secretKeyRef.key")
MAP_SOURCE = (SOURCE + "configMapKeyRef.name", SOURCE + "configMapKeyRef.key")
STORAGE = ("spec.storage.s3.endpoint", "spec.storage.s3.secretRef.name")
TOLERATIONS = (POOL + "tolerations.key", POOL + "tolerations.value")
