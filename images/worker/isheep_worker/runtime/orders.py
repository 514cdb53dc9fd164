"""The worker's environment variables, and the order and the shard that a pod reads from them.

The supervisor imports this module before it starts the worker, so the module imports nothing
that is slow or that can fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isheep.contract.order import ContractError, StageOrder, parse_order

ORDER_VARIABLE = "ISHEEP_ORDER"
ORDER_SHA256_VARIABLE = "ISHEEP_ORDER_SHA256"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
WORKERS_VARIABLE = "ISHEEP_WORKERS"
TERMINATION_LOG_VARIABLE = "ISHEEP_TERMINATION_LOG"
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
HTTP_PORT_VARIABLE = "ISHEEP_HTTP_PORT"
"""The port on which progress is served; without it, progress is not served."""
RENDEZVOUS_VARIABLE = "ISHEEP_RENDEZVOUS"
"""The address at which the nodes of a training connect, `host:port` of the first node."""
GRACE_VARIABLE = "ISHEEP_GRACE_SECONDS"
"""The pod's terminationGracePeriodSeconds, which a container cannot read by other means."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The parts of a stage that belong to this worker: those whose number is index mod count.

    With `parts`, they are these parts instead. A pod that walks makes the parts of pods that do not
    run.
    """

    index: int = 0
    count: int = 1
    parts: frozenset[int] | None = None


def order_from_environment(environment: Mapping[str, str]) -> StageOrder:
    """Return a pod's order; raises `ContractError` if there is none or it cannot be read.

    The driver doubled every `$`, and the kubelet has undone that.
    """
    text = environment.get(ORDER_VARIABLE)
    if text is None:
        raise ContractError(
            f"the environment has no {ORDER_VARIABLE}: the operator starts this program with an "
            "order, and `isheep run` starts it as `python -m isheep_worker serve`"
        )
    return parse_order(text, environment.get(ORDER_SHA256_VARIABLE))


def shard_from_environment(environment: Mapping[str, str]) -> Shard:
    """Return a pod's shard, by default all parts. Raises `ContractError` for invalid numbers."""
    index = environment.get(INDEX_VARIABLE, "0")
    count = environment.get(WORKERS_VARIABLE, "1")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise ContractError(
            f"{INDEX_VARIABLE}={index!r} and {WORKERS_VARIABLE}={count!r}: the first must be a "
            "whole number below the second"
        )
    return Shard(int(index), int(count))
