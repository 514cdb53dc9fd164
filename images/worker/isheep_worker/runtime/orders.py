"""The worker's side of the contract: reading its order, and telling how it failed.

Imported by the supervisor, too, so it imports nothing heavy. Which exception means
which failure stands in `failures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import ContractError, Outcome, StageOrder, StageResult, parse_order
from isheep.recipes.interface import STAGE_VERSIONS

ORDER_VARIABLE = "ISHEEP_ORDER"
ORDER_SHA256_VARIABLE = "ISHEEP_ORDER_SHA256"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
WORKERS_VARIABLE = "ISHEEP_WORKERS"
TERMINATION_LOG_VARIABLE = "ISHEEP_TERMINATION_LOG"
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
HTTP_PORT_VARIABLE = "ISHEEP_HTTP_PORT"
"""Where progress is served; absent: nowhere."""
RENDEZVOUS_VARIABLE = "ISHEEP_RENDEZVOUS"
"""Where the nodes of a training meet: host and port of the first one's, as `host:port`."""
GRACE_VARIABLE = "ISHEEP_GRACE_SECONDS"
"""The pod's terminationGracePeriodSeconds, of which nothing inside a pod tells."""
DEFAULT_GRACE_SECONDS = 120
"""The API's own default."""


class BadInputError(ValueError):
    """What the user gave cannot be used; the message names it and the remedy (exit code 64)."""


class SourceUnreachableError(RuntimeError):
    """An input's place could not be reached; the message names it (exit code 69)."""


class StoppedError(Exception):
    """The worker was asked to stop and has reached a safe point (exit code 143)."""


class PeerLostError(RuntimeError):
    """Another process of the same training is gone or cannot be reached (exit code 69)."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Which share of a stage's parts is this worker's: those whose number is index mod count."""

    index: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """How an order ended without a commit.

    `exit_code` is an `ExitCode`, or 128 and the number of the signal that ended a process.
    """

    exit_code: int
    reason: str
    message: str


class ProcessFailedError(Exception):
    """A process that works for this one has failed, and has said how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def failed(failure: Failure) -> StageResult:
    """Return the result that tells of a failure."""
    return StageResult(
        outcome=Outcome.FAILED,
        exit_code=failure.exit_code,
        reason=failure.reason,
        message=failure.message,
    )


def bad_order(error: ContractError) -> StageResult:
    """Return the result where there was no order to carry out."""
    return failed(Failure(ExitCode.BAD_INPUT, "BadOrder", str(error)))


def check_versions(order: StageOrder) -> None:
    """Raise `ContractError` where a step asks for a stage version that this worker has not."""
    for step in order.steps:
        known = {str(kind): version for kind, version in STAGE_VERSIONS.items()}
        if step.kind not in known:
            raise ContractError(
                f"{step.id}: this worker has no stage {step.kind!r}, only {', '.join(known)}; "
                "use a worker image of the operator's version"
            )
        if step.version != known[step.kind]:
            raise ContractError(
                f"{step.id}: the run is pinned to version {step.version} of {step.kind}, this "
                f"worker has version {known[step.kind]}; use the worker image that the run began "
                "with, or edit the run so that it is pinned anew"
            )


def order_from_environment(environment: Mapping[str, str]) -> StageOrder:
    """Return a pod's order; raises `ContractError`.

    The driver doubled every `$`; the kubelet has halved them again.
    """
    text = environment.get(ORDER_VARIABLE)
    if text is None:
        raise ContractError(
            f"the environment has no {ORDER_VARIABLE}: this program is started by the operator "
            "with an order, or as `python -m isheep_worker serve` by `isheep run`"
        )
    return parse_order(text, environment.get(ORDER_SHA256_VARIABLE))


def shard_from_environment(environment: Mapping[str, str]) -> Shard:
    """Return a pod's share of the parts; alone where nothing is said. Raises `ContractError`."""
    index = environment.get(INDEX_VARIABLE, "0")
    count = environment.get(WORKERS_VARIABLE, "1")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise ContractError(
            f"{INDEX_VARIABLE}={index!r} and {WORKERS_VARIABLE}={count!r}: the first must be a "
            "number below the second"
        )
    return Shard(int(index), int(count))
