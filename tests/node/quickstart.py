"""`make e2e`: the README's example on a cluster, with vLLM, as a user runs it.

pytest collects this file only if it is named, because the test takes many minutes on two
cores. The chart's `modelMirrors` let the operator read the hub's model from a bucket.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cluster import example
from cluster.bucket import Bucket
from cluster.clients import Clients, wait_until
from support import CHART
from timeline import Timeline

RUN_SECONDS = 2700


@pytest.fixture
def document(bucket: Bucket) -> dict[str, Any]:
    """The example with the storage and the resources that a cluster needs."""
    return example.quickstart(bucket, "team-a")


def test_the_quickstart_example_succeeds_on_a_cluster(
    document: dict[str, Any],
    bucket: Bucket,
    operator: Clients,
    team: Clients,
    smollm2_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mirror = bucket.put_folder(smollm2_dir, "models/smollm2")
    mirrors = f"--set-json=modelMirrors={json.dumps({example.MODEL: mirror})}"
    operator.helm("upgrade", "isheep-operator", str(CHART), "--reuse-values", mirrors, "--wait")
    name = document["metadata"]["name"]

    def final() -> Any:
        run = team.get("sheep", name)
        return run if run.get("status", {}).get("phase") in ("Succeeded", "Failed") else None

    with Timeline(team, name) as timeline:
        team.apply(document)
        run = wait_until("the run", final, RUN_SECONDS, 2)
    with capsys.disabled():
        print(f"\n{timeline.report()}")  # noqa: T201
    status = run["status"]
    assert status["phase"] == "Succeeded", status
    assert [record["iteration"] for record in status["history"]] == [1, 2]
    assert all(record["kept"] for record in status["history"])
