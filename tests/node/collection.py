"""`make e2e`: the CronJob that collects garbage, with its image, on a node.

pytest collects this file only if it is named. The tests of the control plane show what the command
deletes; this test shows that the command runs in its pod, which has a read-only root file system,
the rights of its service account, and the Secret of the runs.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from cluster import delivery, images, node, object_store
from cluster.bucket import NAME, Bucket
from cluster.clients import Clients, wait_until
from support import TESTS

MANIFEST = TESTS.parent / "hack" / "gc" / "cronjob.yaml"
SECONDS = 180
KEY = "a" * 64
"""The key of a stage to which no run refers."""


@pytest.fixture
def image(clients: Clients) -> str:
    """The image of the command line, on the node."""
    tag = images.build("cli")
    delivery.import_image(tag, node.ctr(clients.binaries))
    return tag


def documents(namespace: str, image: str, endpoint: str) -> list[dict[str, Any]]:
    """Return the objects of the manifest, with the values of this cluster."""
    text = MANIFEST.read_text("utf-8").replace("team-a", namespace)
    found: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    (container,) = found[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    container |= {"image": image, "imagePullPolicy": "Never"}
    changed = {"--store": f"s3://{NAME}/cluster", "--older-than": "0s"}
    options = (word.partition("=")[::2] for word in container["args"])
    container["args"] = [
        f"{name}={changed.get(name, value)}" if value else name for name, value in options
    ]
    container["env"] += [
        {"name": "AWS_ENDPOINT_URL", "value": endpoint},
        {"name": "AWS_REGION", "value": object_store.REGION},
    ]
    return found


def test_the_command_ends_in_its_pod(
    operator: Clients, team: Clients, bucket: Bucket, endpoint: str, image: str
) -> None:
    bucket.put_text("{}\n", f"cluster/{team.namespace}/stages/{KEY}/parts/00000.jsonl.gz")
    team.apply(*documents(team.namespace, image, endpoint))
    team.kubectl("create", "job", "gc-once", "--from=cronjob/isheep-gc")

    def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = team.get("job", "gc-once")["status"]
        return status if status.get("succeeded") or status.get("failed") else None

    status = wait_until("the end of the Job", ended, SECONDS)
    log = team.kubectl("logs", "job/gc-once")
    assert status.get("succeeded") == 1, log
    assert f"{KEY}  unfinished" in log
