"""Attempts with credentials, destinations, variables, and the data of others."""

from __future__ import annotations

from typing import Any

from .attempts import (
    ENDPOINT,
    EVALUATED,
    EVIL,
    HUB,
    JUDGE,
    JUDGE_MODEL,
    JUDGED,
    MAP_SOURCE,
    MIRROR,
    MODEL,
    NAME,
    NAMESPACE,
    SECRET_SOURCE,
    SEEDS,
    SHOWN,
    STORAGE,
    TEAM,
    TEXTS,
    VALUE,
    Attempt,
    benchmark,
    endpoint,
    evaluated,
    from_secret,
    judged,
    model,
    pool,
    s3,
    variable,
)


def _env(title: str, name: str, value: str = "/cache/evil", shows: str = "") -> Attempt:
    return Attempt(
        title, "environment", (NAME,), shows or f"{SHOWN}env: {name}", variable(name, value)
    )


def _destination(title: str, namespace: str, *env: dict[str, Any], **spec: Any) -> Attempt:
    shows = f"{SHOWN}env: {env[0]['name']} gets the credentials of"
    return Attempt(
        title, "destination", (VALUE,), shows, {**spec, **pool(env=list(env))}, namespace=namespace
    )


def _uri(rule: str, path: str, uri: str, spec: dict[str, Any], namespace: str = TEAM) -> Attempt:
    return Attempt(f"{path} {uri}", rule, (path,), f"{path}: {uri}", spec, namespace=namespace)


CREDENTIAL_ATTEMPTS = (
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
        "the Secret of a listed judge to a listed hub",
        TEAM,
        {"name": "HTTPS_PROXY", "value": HUB},
        **endpoint(f"{JUDGE}/v1", "grader"),
    ),
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
        "the pod's identity to a host that is listed for a Secret of the run",
        TEAM,
        {"name": "AWS_ENDPOINT_URL", "value": MIRROR},
        **model(secretRef={"name": "hf"}),
        **s3(None, endpoint="https://s3.example.com"),
    ),
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
        "a listed Secret to another port of a listed address",
        "storage",
        STORAGE,
        "spec.storage.s3.endpoint with its secretRef: s3=https://[2001:db8::7]:18777",
        s3(endpoint="https://[2001:db8::7]:18777"),
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
    *(
        Attempt(
            title,
            "judgeEndpoint",
            ENDPOINT,
            f"spec.judge.endpoint.url with its secretRef: {shown}",
            endpoint(url, secret),
            namespace=TEAM,
        )
        for title, url, secret, shown in (
            ("a listed Secret to an own judge", f"{EVIL}/v1", "judge", f"judge={EVIL}"),
            ("another Secret to the judge", f"{JUDGE}/v1", "prod-db", f"prod-db={JUDGE}"),
            ("text to an own judge", f"{EVIL}/v1", None, f"NoSecret={EVIL}"),
            (
                "the judge without encryption",
                "http://judge.example.com:8443/v1",
                "judge",
                "judge=http://judge.example.com:8443",
            ),
            (
                "another port of the judge",
                "https://judge.example.com/v1",
                "judge",
                "judge=https://judge.example.com",
            ),
            (
                "a host that begins with the judge's",
                "https://judge.example.com.evil.example.com:8443",
                "judge",
                "judge=https://judge.example.com.evil.example.com:8443",
            ),
        )
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
    _uri("claims", JUDGED, "pvc://backups/a", judged("pvc://backups/a")),
    _uri("claims", JUDGE_MODEL, "pvc://backups/a", {"judge": model("pvc://backups/a")}),
    _uri("claims", MODEL, "pvc://models2/a", model("pvc://models2/a")),
    _uri("files", MODEL, "file:///etc", model("file:///etc")),
    _uri(
        "files",
        SEEDS,
        "file:///proc/self/environ",
        {"seedTasks": {"storageUri": "file:///proc/self/environ"}},
    ),
    _uri("files", TEXTS, "file:///proc/self/environ", benchmark("file:///proc/self/environ")),
    _uri("files", EVALUATED, "file:///etc", evaluated("file:///etc")),
    _uri("files", JUDGED, "file:///etc", judged("file:///etc")),
    _uri("files", JUDGE_MODEL, "file:///etc", {"judge": model("file:///etc")}),
)
