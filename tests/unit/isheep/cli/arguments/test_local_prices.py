"""The prices of this machine's GPUs in the environment."""

from __future__ import annotations

import pytest

from isheep.api.gpu_usage import Prices
from isheep.cli.arguments.local_prices import VARIABLE, local_prices
from isheep.cli.terminal.errors import BadInputError


def test_the_prices_are_read_from_the_variable() -> None:
    assert local_prices({}) is None
    assert local_prices({VARIABLE: " "}) is None
    found = local_prices({VARIABLE: "EUR, nvidia.com/gpu=2.5,nvidia.com/mig-slice=0.4"})
    assert found == Prices(
        currency="EUR", per_hour={"nvidia.com/gpu": 2.5, "nvidia.com/mig-slice": 0.4}
    )


@pytest.mark.parametrize("text", ["euro", "EUR,nvidia.com/gpu", "EUR,a=b", "EUR,a=-1", "EUR,a=nan"])
def test_an_unreadable_variable_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(BadInputError, match=f"{VARIABLE}=.*EUR,nvidia.com/gpu=2.5"):
        local_prices({VARIABLE: text})
