"""What a manifest tells about the cost of its stage: its device, and the GPUs that it needs."""

from datetime import UTC, datetime, timedelta

import pytest

from isheep.contract.order import RunRef
from isheep.local.measured_stages import measured
from isheep.store.manifest import Environment, Manifest, StageInfo, Timings

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "device", "gpu_seconds"),
    [
        ("train", "NVIDIA H200, NVIDIA H200", 120),
        ("respond", "NVIDIA H200", 60),
        ("respond", "2 x Intel Xeon", 0),
        # A worker with an engine may execute it on a machine with GPUs.
        ("select", "NVIDIA H200", 0),
    ],
)
def test_a_stage_has_its_device_its_run_and_its_gpu_time(kind, device, gpu_seconds):
    manifest = Manifest(
        key="k",
        stage=StageInfo(kind=kind, version=1, id=f"i1/{kind}", iteration=1),
        environment=Environment(device=device),
        timings=Timings(started_at=START, finished_at=START + timedelta(seconds=60)),
        run=RunRef(namespace="default", name="lamb", uid="u"),
        attempt=1,
        settings={},
    )
    found = measured(manifest, "ewe")
    assert (found.seconds, found.gpu_seconds) == (60, gpu_seconds)
    assert (found.device, found.run) == (device, "ewe")
