"""Orders and results: all that passes between the control plane and a worker.

A driver hands a worker one `StageOrder`; the worker leaves one `StageResult`.
On Kubernetes the order travels in the environment variable `ISHEEP_ORDER`
(every `$` doubled, because the kubelet expands environment values) with its
digest beside it, and the result is the container's termination message; the
local driver sends both as lines of JSON. The bounds below are Kubernetes' own.

A step's `settings` are exactly what its key was computed from, so a worker
cannot come to depend on a field that is not in the key. What may change without
changing any output (where the store is, how many sequences fit a device) stands
beside the steps, in `store`, `sources` and `runtime`.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from isheep.contract.store_spec import StoreSpec

SCHEMA_VERSION = 1
ORDER_MAX_BYTES = 64 * 1024
RESULT_MAX_BYTES = 2048
MESSAGE_MAX_CHARACTERS = 500


class Contract(BaseModel):
    """Frozen, camelCase on the wire; unknown fields are ignored, so N reads N+1's additions."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


class RunRef(Contract):
    """Which run an order belongs to."""

    namespace: str
    name: str
    uid: str


class Sources(Contract):
    """Where a run's inputs are. What they are is in the settings, as digests.

    `seed_tasks` is `builtin:<name>`, `file:///…`, `s3://…`; `templates` a folder of
    template files; `benchmarks` maps a name to its URI. All are read by prepare
    alone, which copies what it read into the store under its digest.

    `mirrors` maps beginnings of these URIs to what is read instead: the absolute folder
    of a copy (where a `pvc://` claim is mounted, say) or another URI, which may have a
    mirror in its turn. `model` is as the run names it; where it is read is in no key.

    `pinned` holds the digests of those inputs (`model`, `seedTasks`, `templates`,
    `scoreTemplates`, `benchmark:<name>`) that an earlier prepare of this run resolved and whose
    fields have not changed since. prepare takes such an input from the store, and reports
    them as they are here; a model whose files differ from its digest is bad input.
    """

    model: str
    model_revision: str | None = None
    seed_tasks: str = "builtin:Default"
    templates: str | None = None
    benchmarks: dict[str, str] = Field(default_factory=dict)
    mirrors: dict[str, str] = Field(default_factory=dict)
    pinned: dict[str, str] = Field(default_factory=dict)


class Runtime(Contract):
    """What may differ between attempts and machines without changing any output's meaning.

    `memory_reduction` n asks the engine for 1/2^n of its usual batch, after n attempts
    that ended for want of device memory. `accelerator` is what the inference pods run
    on, where the driver knows it: prepare, which chooses the dtype, may run elsewhere.
    None: this machine is theirs, and is asked. `num_nodes` is how many workers, each on a
    node of its own, carry out the order together where it is a training.
    """

    accelerator: Literal["CPU", "GPU"] | None = None
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float | None = None
    enforce_eager: bool = False
    max_num_seqs: int | None = None
    memory_reduction: int = 0
    checkpoint_seconds: float = 600.0
    num_nodes: int = 1


class Step(Contract):
    """One stage to carry out; `inputs` maps a role to the keys of the stages that fill it."""

    id: str
    kind: str
    version: int
    key: str
    iteration: int
    round: int | None = None
    settings: dict[str, Any]
    inputs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    items: int | None = None


class StageOrder(Contract):
    """Everything a worker needs to know.

    `stage_versions` are the run's pinned ones, by kind: prepare computes keys with them.
    """

    schema_version: int = SCHEMA_VERSION
    run: RunRef
    attempt: int = 1
    store: StoreSpec
    sources: Sources
    runtime: Runtime = Runtime()
    stage_versions: dict[str, int] = Field(default_factory=dict)
    steps: tuple[Step, ...]


class ChatFormatRef(Contract):
    """The chat format that prepare resolved; the worker resolves it again and compares."""

    kind: Literal["Own", "ChatML", "Plain"]
    digest: str
    end_of_turn_ids: tuple[int, ...]
    stop_token_ids: tuple[int, ...]


class ScoreLabelsRef(Contract):
    """The labels that stand for the scores 1 to 10, and their token ids in that order."""

    kind: Literal["DigitsAfterSpace", "DigitsAfterNewline", "LettersAfterNewline"]
    token_ids: tuple[int, ...]


class Prepared(Contract):
    """What prepare found out about the run's inputs; pinned in `status.resolved`.

    Digests are hex sha256. `benchmarks` maps a name to the digest of its texts.
    `score_templates_digest` is that of the templates for expected scores; `score_labels` are
    by prompt format, and there where a score is an expectation.
    """

    model_digest: str
    model_revision: str | None = None
    architecture: str
    seed_tasks_digest: str
    seed_tasks_count: int
    templates_digest: str
    score_templates_digest: str | None = None
    benchmarks: dict[str, str] = Field(default_factory=dict)
    engine: Literal["VLLM", "Transformers"]
    dtype: Literal["float32", "bfloat16", "float16"]
    max_model_length: int
    chat_format: ChatFormatRef
    score_labels: dict[Literal["Raw", "Chat"], ScoreLabelsRef] | None = None


class Frontier(Contract):
    """How much of the run exists already: the count of leading stages after prepare.

    Reports are not counted: nothing is built on them, and they are made anew.
    `statistics` holds, for those stages that later ones depend on, the essential
    figures in the order of `recipes.interface.ESSENTIAL_STATISTICS`, None for one
    that was not measured. It may end early where it would not fit a result: then the
    next order finds its stage committed and says so.
    """

    count: int = 0
    statistics: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)


class Outcome(StrEnum):
    """How a worker ended. `Partial`: its own parts are durable, others' are missing."""

    COMMITTED = "Committed"
    PARTIAL = "Partial"
    FAILED = "Failed"


class StepResult(Contract):
    """A step that is committed, by this worker or before it (`adopted`)."""

    id: str
    key: str
    adopted: bool = False
    statistics: dict[str, float] = Field(default_factory=dict)


class StageResult(Contract):
    """What a worker leaves behind."""

    schema_version: int = SCHEMA_VERSION
    outcome: Outcome
    exit_code: int = 0
    reason: str | None = None
    message: str | None = None
    steps: tuple[StepResult, ...] = ()
    prepared: Prepared | None = None
    frontier: Frontier | None = None


class ContractError(ValueError):
    """An order or a result does not fit its contract."""


def canonical_order(order: StageOrder) -> str:
    """Return the order as JSON; raises `ContractError` over 64 KiB."""
    text = order.model_dump_json(by_alias=True, exclude_none=True)
    size = len(text.encode())
    if size > ORDER_MAX_BYTES:
        raise ContractError(
            f"the order of {order.steps[0].id} has {size} bytes, more than {ORDER_MAX_BYTES}"
        )
    return text


def order_sha256(text: str) -> str:
    """Return the hex digest that travels beside an order."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_order(text: str, sha256: str | None = None) -> StageOrder:
    """Read an order; raises `ContractError` for a wrong digest, version or shape."""
    if sha256 is not None and order_sha256(text) != sha256:
        raise ContractError("the order is not what its sender wrote: its SHA-256 differs")
    try:
        order = StageOrder.model_validate_json(text)
    except ValidationError as error:
        raise ContractError(f"the order does not parse: {error}") from error
    if not SCHEMA_VERSION - 1 <= order.schema_version <= SCHEMA_VERSION:
        raise ContractError(
            f"the order has schemaVersion {order.schema_version}; this worker reads "
            f"{SCHEMA_VERSION - 1} and {SCHEMA_VERSION}: use the operator's worker image"
        )
    return order


def dump_result(result: StageResult) -> str:
    """Return the result as JSON of at most 2,048 bytes.

    What does not fit is given up in this order: the tail of the message, then the
    end of the frontier (see `Frontier`), then the statistics of counted families
    (`drop:…`, `score:…`); what later stages depend on always stays.
    """
    message = (result.message or "")[:MESSAGE_MAX_CHARACTERS]
    result = result.model_copy(update={"message": message or None})
    while len(text := _dump(result).encode()) > RESULT_MAX_BYTES:
        shorter = _shorten(result)
        if shorter is None:
            raise ContractError(f"a result of {len(text)} bytes cannot be made to fit")
        result = shorter
    return text.decode()


def parse_result(text: str) -> StageResult | None:
    """Read a termination message; None where it is no result but a log's tail."""
    try:
        return StageResult.model_validate(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _dump(result: StageResult) -> str:
    fields = result.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    # Written even where it is the default: a reader's default may be another version.
    fields["schemaVersion"] = result.schema_version
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _shorten(result: StageResult) -> StageResult | None:
    if result.message and len(result.message) > 40:
        return result.model_copy(update={"message": result.message[: len(result.message) // 2]})
    frontier = result.frontier
    if frontier is not None and frontier.count > 0:
        return result.model_copy(update={"frontier": shorten_frontier(frontier)})
    if any(":" in name for step in result.steps for name in step.statistics):
        steps = tuple(_without_families(step) for step in result.steps)
        return result.model_copy(update={"steps": steps})
    return None


def _without_families(step: StepResult) -> StepResult:
    plain = {name: value for name, value in step.statistics.items() if ":" not in name}
    return step.model_copy(update={"statistics": plain})


def shorten_frontier(frontier: Frontier) -> Frontier:
    """Return the frontier without its last iteration, or empty where it has only one."""
    iterations = [_iteration(stage) for stage in frontier.statistics]
    last = max(iterations, default=1)
    if last <= 1:
        return Frontier()
    kept = {
        stage: figures for stage, figures in frontier.statistics.items() if _iteration(stage) < last
    }
    # The count is an upper bound from here on: a reader stops at the first stage whose
    # predecessors' essential statistics it does not have.
    return Frontier(count=frontier.count, statistics=kept)


def _iteration(stage: str) -> int:
    return int(stage.partition("/")[0].removeprefix("i"))
