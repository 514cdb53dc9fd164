"""Orders and results: everything that the control plane and a worker send each other.

A driver sends a worker one `StageOrder`, and the worker returns one `StageResult`. On Kubernetes
the order is in the environment variable `ISHEEP_ORDER` (with every `$` doubled, because the kubelet
expands environment values), its digest is in a second variable, and the result is the container's
termination message. The local driver sends both as lines of JSON. The size limits below are those
of Kubernetes.

A step's `settings` are exactly the values from which its key was computed, so a worker cannot
depend on a field that is not in the key. Values that may change without a change of the output (the
location of the store, the number of sequences that fit a device) are not in the steps. They are in
`store`, `sources` and `runtime`.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError, field_validator

from isheep.contract.choices import (
    BUILTIN_SEED_TASKS,
    CHECKPOINT_SECONDS,
    Accelerator,
    WalkGrouping,
)
from isheep.contract.document import Contract
from isheep.contract.invalid_fields import invalid_fields
from isheep.contract.packed_prepared import pack
from isheep.contract.prepared import Prepared
from isheep.contract.rule_names import current_statistics
from isheep.contract.stage_ids import iteration_of
from isheep.contract.store_spec import StoreSpec

SCHEMA_VERSION = 1
ORDER_MAX_BYTES = 64 * 1024
RESULT_MAX_BYTES = 2048
MESSAGE_MAX_CHARACTERS = 500
JUDGE_API_KEY = "ISHEEP_JUDGE_API_KEY"
"""The environment variable of a worker with the key of the judge's endpoint."""


class RunRef(Contract):
    """The run of an order.

    `cluster` identifies the installation that executes the run on a cluster, so that a reference in
    the store shows which cluster has the run. It is None for `isheep run` and for earlier versions.
    """

    namespace: str
    name: str
    uid: str
    cluster: str | None = None


class JudgeEndpointRef(Contract):
    """An endpoint with the API of OpenAI: its URL and model, and how it is asked.

    Its key is in the environment variable `JUDGE_API_KEY` of the pods that ask it.
    """

    url: str
    model: str
    max_concurrent_requests: int
    requests_per_minute: int | None = None
    timeout_seconds: int
    max_retries: int


class Sources(Contract):
    """The locations of a run's inputs. The settings contain their digests.

    `seed_tasks` is `builtin:<name>`, `file:///…` or `s3://…`; `templates` is a folder of template
    files; `benchmarks` maps a name to its URI, and so does `evaluation` for the benchmarks on which
    models are evaluated. Only prepare reads them, and it copies them into the store under their
    digests.

    `mirrors` maps prefixes of these URIs to what is read instead: the absolute folder of a copy
    (for example the mount of a `pvc://` claim) or another URI, which may have a mirror, too.
    `model` is the URI in the run; its mirror is in no key.

    `pinned` contains the digests of the inputs (`model`, `seedTasks`, `templates`,
    `scoreTemplates`, `benchmark:<name>`, `evaluation:<name>`) that an earlier prepare of this run
    resolved and whose fields have not changed since. prepare takes such an input from the store and
    reports the same digest. A model whose files differ from its digest is bad input.

    `judge` is the URI of the judge's model with its revision, and `judge_endpoint` is the judge at
    an endpoint. A run has one of them at most.
    """

    model: str
    model_revision: str | None = None
    judge: str | None = None
    judge_revision: str | None = None
    judge_endpoint: JudgeEndpointRef | None = None
    seed_tasks: str = f"builtin:{BUILTIN_SEED_TASKS}"
    templates: str | None = None
    benchmarks: dict[str, str] = Field(default_factory=dict)
    evaluation: dict[str, str] = Field(default_factory=dict)
    mirrors: dict[str, str] = Field(default_factory=dict)
    pinned: dict[str, str] = Field(default_factory=dict)


class GpuPrices(Contract):
    """The price of a GPU for an hour, by pool; pools whose resource has no price are absent."""

    currency: str
    per_hour: dict[str, float]


class Runtime(Contract):
    """Settings that may differ between attempts and machines without an effect on the output.

    `memory_reduction` n means that the engine uses 1/2^n of its usual batch, because n attempts
    ended with too little device memory. `accelerator` is the accelerator of the inference pods, if
    the driver has this information; prepare chooses the dtype and may run on another machine. With
    None, prepare runs on the same machine and detects it. `num_nodes` is the number of workers that
    execute a training together, each on another node. `adapter_rank` is the LoRA rank for which an
    engine reserves memory when it starts, because the same process serves M(0), M(1), … with one
    base model. With None, an engine reserves memory only if its first model is an adapter.
    `engine_length` is the length in tokens with which an engine of the run's models is loaded, if
    a benchmark needs more than the run: the same engine then serves both. Settings have the length
    that a stage itself uses. `gpu_prices` are the prices of the installation, which the report
    shows.
    """

    accelerator: Accelerator | None = None
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float | None = None
    enforce_eager: bool = False
    max_num_seqs: int | None = None
    memory_reduction: int = 0
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    num_nodes: int = 1
    adapter_rank: int | None = None
    engine_length: int | None = None
    gpu_prices: GpuPrices | None = None


class Step(Contract):
    """One stage to execute; `inputs` maps a role to the keys of the stages that it reads."""

    id: str
    kind: str
    version: int
    key: str
    iteration: int
    round: int | None = None
    settings: dict[str, Any]
    inputs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    items: int | None = None


class StageWalk(Contract):
    """What a worker needs to find the stages after the first one itself.

    The worker executes the recipe over the store, as the planner executes it over the status. So
    the worker finds the same stages with the same keys, and continues as long as `grouping` puts
    the next stage into the same Job. `spec` is the resolved spec without the fields that no recipe
    reads. `claim` is the key of the Job's first stage in the iteration, wherever this Job begins.
    `failed` has the keys of the optional stages that have failed finally.
    """

    grouping: WalkGrouping
    claim: str
    spec: dict[str, Any]
    prepared: Prepared
    failed: tuple[str, ...] = ()


class StageOrder(Contract):
    """Everything that a worker needs.

    `stage_versions` contains the run's pinned stage versions by kind. prepare and a walk compute
    keys with them. With `walk`, `steps` contains the first stage only.
    """

    schema_version: int = SCHEMA_VERSION
    run: RunRef
    attempt: int = 1
    store: StoreSpec
    sources: Sources
    runtime: Runtime = Runtime()
    stage_versions: dict[str, int] = Field(default_factory=dict)
    steps: tuple[Step, ...]
    walk: StageWalk | None = None


class Frontier(Contract):
    """How many stages of the run are committed, counted from the first stage after prepare.

    In the result of a walk, the count begins at the stage `first`, and `keys_digest` is the digest
    of the keys of the counted stages. The planner computes the keys again and ignores a frontier
    with another digest, because the spec was then edited after the start of the Job.

    Reports are not counted, because no stage reads them and a run makes them again.
    `statistics` contains, for the stages on which later ones depend, the essential statistics in
    the order of `recipes.stage_kinds.STAGE_DEFINITIONS`; a statistic that was not measured is None.
    `statistics` also contains each optional stage that is committed, because the count includes no
    others. If not all stages fit into a result, the last ones are omitted. Then the worker of the
    next order finds that stage committed and reports it as adopted.
    """

    count: int = 0
    statistics: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    first: str | None = None
    keys_digest: str | None = None


class Outcome(StrEnum):
    """How a worker ended. `Partial`: its parts are stored, but other workers' parts are missing."""

    COMMITTED = "Committed"
    PARTIAL = "Partial"
    FAILED = "Failed"


class StepResult(Contract):
    """A committed step; `adopted` is True if it was committed before this worker."""

    id: str
    key: str
    adopted: bool = False
    statistics: dict[str, float] = Field(default_factory=dict)

    _current_statistics = field_validator("statistics")(current_statistics)


class StageResult(Contract):
    """The result of a worker.

    `stage` is the stage that failed, if the worker executes several stages. `packed` is the short
    form of `prepared`, if the whole form would be too long (`packed_prepared`).
    """

    schema_version: int = SCHEMA_VERSION
    outcome: Outcome
    exit_code: int = 0
    reason: str | None = None
    message: str | None = None
    stage: str | None = None
    steps: tuple[StepResult, ...] = ()
    prepared: Prepared | None = None
    packed: str | None = None
    frontier: Frontier | None = None


class ContractError(ValueError):
    """An order or a result does not have the form that it must have."""


def canonical_order(order: StageOrder) -> str:
    """Return the order as JSON.

    Raises:
        ContractError: The JSON is larger than 64 KiB.
    """
    text = order.model_dump_json(by_alias=True, exclude_none=True)
    size = len(text.encode())
    if size > ORDER_MAX_BYTES:
        raise ContractError(
            f"the order of {order.steps[0].id} has {size} bytes, which is more than the limit of "
            f"{ORDER_MAX_BYTES}"
        )
    return text


def order_sha256(text: str) -> str:
    """Return the hex digest that is sent with an order."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_order(text: str, sha256: str | None = None) -> StageOrder:
    """Return the order in a text.

    Raises:
        ContractError: The digest, the schema version or the form is wrong.
    """
    if sha256 is not None and order_sha256(text) != sha256:
        raise ContractError("the order was changed on its way: its SHA-256 differs")
    try:
        order = StageOrder.model_validate_json(text)
    except ValidationError as error:
        fields = "; ".join(invalid_fields(error))
        raise ContractError(f"the order cannot be read: {fields}") from error
    if not SCHEMA_VERSION - 1 <= order.schema_version <= SCHEMA_VERSION:
        raise ContractError(
            f"the order has schemaVersion {order.schema_version}; this worker reads "
            f"{SCHEMA_VERSION - 1} and {SCHEMA_VERSION}: use the operator's worker image"
        )
    return order


def dump_result(result: StageResult) -> str:
    """Return the result as JSON of at most 2,048 bytes.

    Kubernetes takes 12 KiB from all containers of a pod and 4 KiB from one, so this result fits
    into the message of one of up to six containers, those that webhooks add included.

    A result that is too long loses, in this order, the end of the message, the readable form of
    `prepared`, the end of the frontier (see `Frontier`), and the statistics of counted families
    (`drop:…`, `score:…`). Statistics on which later stages depend are always kept. The result of a
    walk keeps its frontier, and loses its steps instead, the oldest first: the frontier counts them
    too. A packed result of prepare loses its step, which the attempt names.

    Raises:
        ContractError: The shortest result is still too long: prepare has found too many inputs.
    """
    message = (result.message or "")[:MESSAGE_MAX_CHARACTERS]
    result = result.model_copy(update={"message": message or None})
    while len(text := _dump(result).encode()) > RESULT_MAX_BYTES:
        shorter = _shorten(result)
        if shorter is None:
            raise ContractError(
                f"a result of {len(text)} bytes cannot be shortened to {RESULT_MAX_BYTES} bytes"
            )
        result = shorter
    return text.decode()


def parse_result(text: str) -> StageResult | None:
    """Return the result in a termination message, or None if the message is the end of a log."""
    try:
        return StageResult.model_validate(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _dump(result: StageResult) -> str:
    fields = result.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    # Always written, because the reader's default may be another version.
    fields["schemaVersion"] = result.schema_version
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _shorten(result: StageResult) -> StageResult | None:
    if result.message and len(result.message) > 40:
        return result.model_copy(update={"message": result.message[: len(result.message) // 2]})
    if result.prepared is not None:
        return result.model_copy(update={"prepared": None, "packed": pack(result.prepared)})
    frontier = result.frontier
    is_walk = frontier is not None and frontier.first is not None
    if is_walk and len(result.steps) > 1:
        return result.model_copy(update={"steps": result.steps[1:]})
    if frontier is not None and frontier.count > 0 and not is_walk:
        return result.model_copy(update={"frontier": shorten_frontier(frontier)})
    return _shorten_steps(result, may_lose_them=is_walk or result.packed is not None)


def _shorten_steps(result: StageResult, *, may_lose_them: bool) -> StageResult | None:
    if any(":" in name for step in result.steps for name in step.statistics):
        steps = tuple(_without_families(step) for step in result.steps)
        return result.model_copy(update={"steps": steps})
    return result.model_copy(update={"steps": ()}) if result.steps and may_lose_them else None


def _without_families(step: StepResult) -> StepResult:
    plain = {name: value for name, value in step.statistics.items() if ":" not in name}
    return step.model_copy(update={"statistics": plain})


def shorten_frontier(frontier: Frontier) -> Frontier:
    """Return the frontier without its last iteration, or an empty one if it has one iteration."""
    last = max(map(iteration_of, frontier.statistics), default=1)
    if last <= 1:
        return Frontier()
    kept = {
        stage: figures
        for stage, figures in frontier.statistics.items()
        if iteration_of(stage) < last
    }
    # The count is now an upper bound: a reader stops at the first stage for which it does not have
    # the essential statistics of the stages before.
    return Frontier(count=frontier.count, statistics=kept)
