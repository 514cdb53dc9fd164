import pytest

from isheep.local.devices import TooFewDevicesError, gpu_resources, groups, visible_devices

LISTING = """GPU 0: NVIDIA H200 (UUID: GPU-aaaa)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb)
  MIG 1g.18gb     Device  0: (UUID: MIG-1111)
  MIG 1g.18gb     Device  1: (UUID: MIG-2222)
"""


@pytest.mark.parametrize(
    ("environment", "listing", "devices"),
    [
        ({}, "", ()),
        ({}, LISTING, ("GPU-aaaa", "MIG-1111", "MIG-2222")),
        ({"CUDA_VISIBLE_DEVICES": ""}, LISTING, ()),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, LISTING, ()),
        ({"CUDA_VISIBLE_DEVICES": "1, 0"}, LISTING, ("1", "0")),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, LISTING, ("0",)),
    ],
)
def test_devices_are_those_that_cuda_shows(environment, listing, devices):
    assert visible_devices(environment, lambda: listing) == devices


@pytest.mark.parametrize(
    ("devices", "size", "grouped"),
    [
        ((), 1, ((),)),
        ((), 4, ((),)),
        (("0", "1"), 1, (("0",), ("1",))),
        (("0", "1", "2"), 2, (("0", "1"),)),
    ],
)
def test_devices_form_groups_of_the_size_that_one_worker_needs(devices, size, grouped):
    assert groups(devices, size) == grouped


def test_the_error_for_too_few_devices_names_the_field():
    with pytest.raises(TooFewDevicesError, match=r"engine\.vllm\.tensorParallelSize is 2"):
        groups(("0",), 2)


def test_slices_have_a_resource_of_their_own():
    assert gpu_resources(()) == {}
    assert gpu_resources(("0", "GPU-aaaa")) == {"nvidia.com/gpu": 2}
    assert gpu_resources(("MIG-1", "0")) == {"nvidia.com/gpu": 1, "nvidia.com/mig-slice": 1}
