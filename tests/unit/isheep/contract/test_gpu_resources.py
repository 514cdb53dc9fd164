"""One rule decides which resource is a GPU."""

from __future__ import annotations

import pytest

from isheep.contract.gpu_resources import (
    asks_for_gpus,
    gpu_count,
    gpus_by_resource,
    gpus_of_claims,
    is_gpu,
)


@pytest.mark.parametrize(
    ("quantities", "asks", "count"),
    [
        ({}, False, 0),
        ({"cpu": "4", "memory": "8Gi"}, False, 0),
        ({"nvidia.com/gpu": "2", "cpu": "4"}, True, 2),
        ({"amd.com/gpu": "1"}, True, 1),
        ({"nvidia.com/mig-1g.10gb": "2"}, True, 2),
        ({"nvidia.com/gpu": "1", "nvidia.com/mig-3g.40gb": "1"}, True, 2),
        ({"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "0"}, False, 0),
        ({"nvidia.com/gpu.shared": "1"}, True, 1),
        ({"nvidia.com/mig-1g.10gb.shared": "1"}, True, 1),
        ({"amd.com/cpx_nps4": "2"}, True, 2),
        ({"example.com/gpu-memory": "8"}, False, 0),
    ],
)
def test_the_gpus_of_a_pod(quantities: dict[str, str], asks: bool, count: int) -> None:
    assert (asks_for_gpus(quantities), gpu_count(quantities)) == (asks, count)


def test_a_slice_is_a_gpu_and_a_part_of_a_name_is_not() -> None:
    assert is_gpu("nvidia.com/mig-1g.5gb")
    assert not is_gpu("example.com/gpus")
    assert not is_gpu("nvidia.com/gpu.memory")


def test_the_gpus_by_resource_leave_out_zeros_and_other_resources() -> None:
    quantities = {
        "cpu": "4",
        "nvidia.com/gpu": 0,
        "nvidia.com/mig-1g.10gb": "2",
        "amd.com/gpu": 1,
        "nvidia.com/mig-3g.40gb": "1k",
    }
    assert gpus_by_resource(quantities) == {"nvidia.com/mig-1g.10gb": 2, "amd.com/gpu": 1}


def test_a_claim_counts_as_one_device_of_its_template() -> None:
    found = gpus_of_claims(["two-gpus", "nic", "two-gpus"])
    assert found == {"resource.k8s.io/two-gpus": 2, "resource.k8s.io/nic": 1}
    assert gpus_of_claims([]) == {}
