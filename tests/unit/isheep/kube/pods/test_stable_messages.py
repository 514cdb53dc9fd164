"""Messages that are the same at each try, with messages of real servers and kubelets."""

from __future__ import annotations

import pytest

from isheep.kube.pods.stable_messages import stable_message

JOB = "run-prepare-vv6a5xnqkm"
SANDBOX = "4f1e0c7b" * 8


@pytest.mark.parametrize(
    ("first", "second", "stable"),
    [
        (
            f'Error creating: pods "{JOB}-0-x7k2f" is forbidden: violates PodSecurity',
            f'Error creating: pods "{JOB}-0-bb4c9" is forbidden: violates PodSecurity',
            f'Error creating: pods "{JOB}-0" is forbidden: violates PodSecurity',
        ),
        (
            f'failed to setup network for sandbox "{SANDBOX}": no IP addresses available',
            f'failed to setup network for sandbox "{SANDBOX[::-1]}": no IP addresses available',
            'failed to setup network for sandbox "…": no IP addresses available',
        ),
        (
            'failed to pull image "r/i:1": read udp 10.0.0.5:43127->10.96.0.10:53: i/o timeout',
            'Back-off pulling image "r/i:1": ErrImagePull: failed to pull image "r/i:1": read udp '
            "10.0.0.5:50001->10.96.0.10:53: i/o timeout",
            'failed to pull image "r/i:1": read udp 10.0.0.5->10.96.0.10:53: i/o timeout',
        ),
        (
            "back-off 20s restarting failed container=istio-proxy",
            "back-off 2m40s restarting failed container=istio-proxy",
            "back-off restarting failed container=istio-proxy",
        ),
    ],
    ids=["pod name", "sandbox", "image", "back-off"],
)
def test_what_differs_at_each_try_is_left_out(first: str, second: str, stable: str) -> None:
    assert stable_message(first, JOB) == stable_message(second, JOB) == stable


@pytest.mark.parametrize(
    "message",
    [
        'secret "run-prepare-x-0-abcde" not found',
        f"image r/i@sha256:{SANDBOX} not found",
        'Multi-Attach error for volume "pvc-8a4d7f0e-9d5e-4a53-9b7c-000000000001"',
        "exceeded quota: pods, requested: pods=1, used: pods=10, limited: pods=10",
        "",
    ],
)
def test_all_other_text_stays(message: str) -> None:
    assert stable_message(message, JOB) == message
