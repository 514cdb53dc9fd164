"""The prices of this machine's GPUs, from the environment, for `isheep run` and `isheep plan`.

The prices of a cluster are a value of its chart, and those of a machine are one variable, because
they belong to the machine and not to a run.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from isheep.api.gpu_usage import Prices
from isheep.cli.terminal.errors import BadInputError

VARIABLE = "ISHEEP_PRICES"
FORM = "EUR,nvidia.com/gpu=2.5"


def local_prices(environment: Mapping[str, str]) -> Prices | None:
    """Return the prices of an hour, or None if the variable is not set; raises `BadInputError`."""
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    currency, *pairs = (part.strip() for part in text.split(","))
    per_hour = {}
    for pair in pairs:
        name, _, price = pair.partition("=")
        try:
            per_hour[name.strip()] = float(price)
        except ValueError:
            raise _error(text) from None
    try:
        return Prices(currency=currency, per_hour=per_hour)
    except ValidationError:
        raise _error(text) from None


def _error(text: str) -> BadInputError:
    return BadInputError(f"{VARIABLE}={text!r}: write the currency and prices as {FORM}")
