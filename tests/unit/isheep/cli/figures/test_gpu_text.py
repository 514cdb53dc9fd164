"""The GPU time of a run as text: hours by resource, and the cost with what it lacks."""

from __future__ import annotations

import pytest

from isheep.api.gpu_usage import GpuUsage, Prices
from isheep.cli.figures.gpu_text import gpu_text

GPU = "nvidia.com/gpu"
SLICE = "nvidia.com/mig-1g.10gb"
PRICES = Prices(currency="EUR", per_hour={GPU: 2.5})


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (GpuUsage(), None),
        (GpuUsage(seconds={GPU: 5400}), f"1.50 h of {GPU}"),
        (
            GpuUsage(seconds={GPU: 5400}, cost=3.75, prices=PRICES),
            f"1.50 h of {GPU}; 3.75 EUR",
        ),
        (
            GpuUsage(seconds={SLICE: 36, GPU: 5400}, cost=3.75, prices=PRICES),
            f"1.50 h of {GPU}, 0.01 h of {SLICE}; 3.75 EUR, without {SLICE}",
        ),
    ],
)
def test_the_text_of_a_usage(usage: GpuUsage, text: str | None) -> None:
    assert gpu_text(usage) == text
