"""The orders of Jobs, as their workers read them."""

from __future__ import annotations

from functools import lru_cache

from isheep.contract.order import StageOrder, parse_order

from .api_server import Json


def order_of(job: Json) -> StageOrder:
    """Return the order of a Job or a pod."""
    spec = job["spec"]["template"]["spec"] if "template" in job["spec"] else job["spec"]
    (container,) = spec["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    return _parsed(env["ISHEEP_ORDER"].replace("$$", "$"), env["ISHEEP_ORDER_SHA256"])


@lru_cache(20_000)
def _parsed(text: str, digest: str) -> StageOrder:
    """Read an order once for the workers and the invariants; many seeds have the same orders."""
    return parse_order(text, digest)
