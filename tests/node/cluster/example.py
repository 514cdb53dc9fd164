"""The README's example for the cluster: a bucket, its Secret, a model and a run.

The run is `examples/quickstart.yaml` with two additions that a cluster needs: the storage and
the resources of the pods. Its model is the demo's model, copied into the bucket; the chart's
`modelMirrors` refer to the copy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cluster import images, object_store, settings
from cluster.bucket import Bucket, secret
from cluster.clients import Clients
from cluster.commands import ClusterError

MODEL = "hf://HuggingFaceTB/SmolLM2-135M-Instruct"
NAMESPACE = "default"
RUN = settings.RUN_FOLDER / "run.yaml"
VALUES = settings.RUN_FOLDER / "values.yaml"
LIMITS = {"limits": {"cpu": "2", "memory": "6Gi"}, "requests": {"cpu": "100m", "memory": "2Gi"}}


def prepare(clients: Clients, model: Path) -> None:
    """Start the object store, copy the model, and write the run and the chart's values."""
    if not (model / "config.json").exists():
        raise ClusterError(f"there is no model at {model}: `make demo` downloads it")
    bucket = Bucket(object_store.start()).make()
    mirror = bucket.put_folder(model, "models/SmolLM2-135M-Instruct")
    clients.within(NAMESPACE).apply(secret(NAMESPACE))
    RUN.write_text(yaml.safe_dump(quickstart(bucket, NAMESPACE), sort_keys=False))
    VALUES.write_text(yaml.safe_dump(values(mirror)))


def quickstart(bucket: Bucket, namespace: str) -> dict[str, Any]:
    """Return the README's example with the storage and the resources that a cluster needs."""
    file = settings.REPOSITORY / "examples" / "quickstart.yaml"
    run: dict[str, Any] = yaml.safe_load(file.read_text())
    run["metadata"]["namespace"] = namespace
    run["spec"]["storage"] = bucket.storage("quickstart")
    run["spec"]["compute"] = {
        pool: {"resources": LIMITS} for pool in ("inference", "training", "processing")
    }
    return run


def values(mirror: str) -> dict[str, Any]:
    """Return the chart's values for the images of this checkout and the bucket's model."""
    return {
        **{name: _image(images.BUILDS[image].tag) for name, image in _IMAGES.items()},
        "modelMirrors": {MODEL: mirror},
    }


_IMAGES = {"image": "operator", "workerImage": "worker"}


def _image(tag: str) -> dict[str, str]:
    repository, _, version = tag.rpartition(":")
    return {"repository": repository, "tag": version, "pullPolicy": "Never"}


def lines(binaries: Path) -> str:
    """Return the commands that install the chart and apply the run."""
    return f"""\
export KUBECONFIG={settings.KUBECONFIG} PATH={binaries}:$PATH
export AWS_ACCESS_KEY_ID={object_store.ACCESS_KEY} AWS_SECRET_ACCESS_KEY={object_store.SECRET_KEY}
helm install isheep-operator charts/isheep-operator -n isheep-system --create-namespace -f {VALUES}
kubectl apply -f {RUN}
kubectl get sheep -w
.venv/bin/isheep report {RUN} -o report.html
"""
