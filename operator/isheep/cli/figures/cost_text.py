"""The cost of a plan as text: tokens, time, GPU-hours, bytes, money, and whose rates these are."""

from __future__ import annotations

from dataclasses import dataclass

from isheep.api.gpu_usage import Prices
from isheep.api.run import SelfAlignmentRunSpec
from isheep.cli.figures.rates import duration
from isheep.cli.figures.size_text import size
from isheep.planner.cost import Cost, gpu_resources_of, money


@dataclass(frozen=True, slots=True)
class Money:
    """The price of the GPU time of a plan, rounded to two decimals."""

    amount: float
    currency: str


def money_of(found: Cost, spec: SelfAlignmentRunSpec, prices: Prices | None) -> Money | None:
    """Return the price of the GPU time; None if the time or a price is unknown."""
    amount = money(found, gpu_resources_of(spec), prices)
    if amount is None or prices is None:
        return None
    return Money(round(amount, 2), prices.currency)


def cost_text(found: Cost, price: Money | None) -> str:
    """Return the line about the cost of a plan."""
    tokens = f"at most {found.tokens:,} generated tokens"
    place = "" if found.device is None else f" on {found.device}"
    if found.seconds is None or found.gpu_seconds is None or found.bytes is None:
        kinds = ", ".join(found.unmeasured)
        return (
            f"{tokens}; time, GPU-hours and size are unknown, because no run of this model in the "
            f"store has measured {kinds}{place}"
        )
    cost = "" if price is None else f" ({price.amount:.2f} {price.currency})"
    return (
        f"{tokens}; about {duration(found.seconds)}, {found.gpu_seconds / 3600:.2f} GPU-hours"
        f"{cost} and {size(round(found.bytes))} in the store, at the rates of "
        f"{', '.join(found.measured_by)}{place}"
    )
