"""What only some simulated runs ask for: fields of pods, and measurements of their models.

A seed draws them with a generator of its own, so all other draws of the seed stay the same. The
fields of pods change no event. Measurements add stages that a run goes on without (`optional`),
so few seeds have them.
"""

from __future__ import annotations

import random
from typing import Any

from .api_server import Json

POOL_SHARE = 0.3
"""The share of simulations whose pools ask for something."""
STORE_SHARE = 0.3
"""The share of simulations in which a run names no store, and gets that of the installation."""
MEASURED_SHARE = 0.04
"""The share of simulations whose models are measured. They have one run, which takes longer."""
LIMITED_SHARE = 0.12
"""The share of the simulations with two runs in which only one of them may work."""
LABELS_SHARE = 0.3
"""The share of the simulations with a queue in which runs have many labels for Kueue."""
LABELS = {f"kueue.x-k8s.io/label-{number:02}": "x" for number in reversed(range(18))}
"""The operator passes on the first ones by name, and these have another order."""
POOLS = ("inference", "training", "processing")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
JUDGE: Json = {
    "endpoint": {"url": "https://judge/v1", "model": "judge", "secretRef": {"name": "judge"}}
}
QUESTIONS = "s3://bucket/questions.jsonl"
EVALUATION: Json = {
    "benchmarks": [{"name": "arc", "task": "arc_easy", "promptFormat": "Chat"}],
    "judgements": [
        {"name": "mt", "storageUri": QUESTIONS, "promptFormat": "Chat"},
        {"name": "bench", "kind": "Grades", "storageUri": QUESTIONS, "promptFormat": "Chat"},
    ],
}
YARDSTICK: Json = {"yardstick": {"items": 60}}
MEASURED: tuple[Json, ...] = (
    {**YARDSTICK, "evaluation": EVALUATION, "judge": JUDGE},
    {"evaluation": EVALUATION, "judge": JUDGE},
    {**YARDSTICK, "safeguards": {"action": "RollBack"}},
    {**YARDSTICK, "safeguards": {"action": "Stop"}},
)
MEASURED_WEIGHTS = (3, 1, 1, 1)


def limit_of(seed: int, runs: int) -> int | None:
    """Return the most runs that may work at the same time; None if there is no limit."""
    limited = random.Random(f"limit of {seed}").random() < LIMITED_SHARE
    return 1 if limited and runs > 1 else None


def completed(seed: int, names: list[str], specs: list[Json]) -> tuple[list[str], list[Json]]:
    """Return the runs of a seed, with what they also ask for."""
    chance = random.Random(f"specs of {seed}")
    added: Json = {}
    if chance.random() < POOL_SHARE:
        added = {"serviceAccountName": "trainer"}
        specs = [_with_pools(spec) for spec in specs]
    if chance.random() < STORE_SHARE:
        specs = [{n: v for n, v in spec.items() if n != "storage"} for spec in specs]
    if chance.random() < MEASURED_SHARE:
        added |= chance.choices(MEASURED, MEASURED_WEIGHTS)[0]
        names, specs = names[:1], specs[:1]
    return names, [{**spec, **added} for spec in specs]


def is_measured(spec: Json) -> bool:
    """Return whether the models of a run are measured."""
    return bool((spec.get("yardstick") or {}).get("items")) or "evaluation" in spec


def completed_labels(seed: int, labels: Json) -> Json:
    """Return the labels of runs in a queue, with more for Kueue than the operator passes on."""
    more = random.Random(f"labels of {seed}").random() < LABELS_SHARE
    return {**LABELS, **labels} if labels and more else labels


def _with_pools(spec: Json) -> Json:
    """Return a spec in which each pool asks for all that a pool can ask for."""
    s3 = {**spec["storage"]["s3"], "secretRef": {"name": "store"}}
    model = {**spec["model"], "secretRef": {"name": "hub"}}
    compute = {**spec["compute"], "modelCache": {"claimName": "cache"}}
    for name in POOLS:
        compute[name] = _pool(name, compute.get(name) or {})
    return {**spec, "storage": {"s3": s3}, "model": model, "compute": compute}


def _pool(name: str, before: Json) -> Json:
    """Return the fields of a pool; each value contains the name of the pool."""
    rule = {"key": "pool", "operator": "In", "values": [name]}
    wanted = {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}
    limits = (before.get("resources") or {}).get("limits") or {}
    secret = {"secretKeyRef": {"name": "extra", "key": name}}
    found: dict[str, Any] = {
        **before,
        "resources": {"limits": {**limits, "cpu": "4", "memory": "8Gi"}},
        "nodeSelector": {"pool": name},
        "tolerations": [{"key": name, "operator": "Exists"}],
        "affinity": {"nodeAffinity": wanted},
        "priorityClassName": f"{name}-priority",
        "runtimeClassName": f"{name}-runtime",
        "schedulerName": f"{name}-scheduler",
        "imagePullSecrets": [{"name": f"{name}-registry"}],
        "env": [{"name": "TMPDIR", "value": f"/{name}"}, {"name": "EXTRA", "valueFrom": secret}],
        "podLabels": {"pool": name},
        "podAnnotations": {"pool": name},
    }
    if name == "training":
        found |= {"image": "image-of-the-user", "shmSize": "1Gi"}
    return found
