"""Pinning: a generation is planned from the values that were resolved when it was first seen.

`status.resolved` contains everything that a plan depends on and that can change without an edit
of the run: defaults and stage versions (an operator upgrade), the worker image (a new chart), the
model's revision and the digests of inputs (an upload). With a new generation, only the fields
that the user changed are resolved again. Everything else stays pinned, stage versions and worker
image included. So an upgrade retrains nothing, not even when the run is later suspended or gets
more pods.

Stage versions and worker image stay together, because an image contains the code of its versions
and refuses others. A failed run that is retried, by annotation or by an edit, uses the
installation's current image if that image has exactly the pinned versions, because a new image
may contain a fix. If any version differs, the run keeps its image; a new run uses the new one.

Inputs are pinned one by one, by digest (`inputs`). So a change of the threshold does not look up
the newest commit of the model, and another model does not read the seed tasks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from isheep.api.model import Model
from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.yardstick import Yardstick
from isheep.contract.invalid_fields import invalid_fields
from isheep.contract.prepared import Prepared
from isheep.contract.reasons import Reason
from isheep.contract.stage_ids import iteration_of
from isheep.planner.seen_fields import ONE_OF, as_digests, digests_like, field_digests
from isheep.planner.types import RunView
from isheep.planner.walk import prepare_key
from isheep.recipes.decisions import waits_for_verdicts
from isheep.recipes.interface import Recipe
from isheep.recipes.pinned_spec import WRITERS, PinnedSpec
from isheep.recipes.registry import recipe_named
from isheep.recipes.stage_kinds import STAGE_VERSIONS

MODEL = "model"
MODEL_REVISION = "modelRevision"
JUDGE = "judge"
JUDGE_REVISION = "judgeRevision"
REVISIONS = (MODEL_REVISION, JUDGE_REVISION)
SEED_TASKS = "seedTasks"
TEMPLATES = "templates"
SCORE_TEMPLATES = "scoreTemplates"
BENCHMARK = "benchmark:"
EVALUATION = "evaluation:"


class PlanningError(Exception):
    """A run cannot be planned: it is Failed if `terminal` is true, and Stalled otherwise."""

    def __init__(self, reason: Reason, message: str, *, terminal: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.terminal = terminal


class Resolved(BaseModel):
    """`status.resolved`.

    `spec` is the spec with all defaults, and `seen` has the digests of the fields of the user's
    spec (`seen_fields`). `inputs` contains the digests of inputs whose fields have not changed
    since they were resolved. `prepared` is set after prepare has committed for `prepare_key`.
    `writers` is that of `PinnedSpec`.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )

    generation: int
    seen: dict[str, Any]
    spec: dict[str, Any]
    stage_versions: dict[str, int]
    worker_image: str = ""
    prepare_key: str
    writers: tuple[int, ...] | None = None
    inputs: dict[str, str] = Field(default_factory=dict)
    prepared: Prepared | None = None

    def document(self) -> dict[str, Any]:
        """Return the resolved values as JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def with_prepared(self, prepared: Prepared) -> Resolved:
        """Return the resolved values with the results of prepare."""
        inputs = inputs_of(prepared)
        return self.model_copy(update={"prepared": prepared, "inputs": inputs})


def pin(run: RunView, worker_image: str, *, retried: bool) -> Resolved:
    """Return the resolved values of the run's generation; raises `PlanningError`."""
    if run.status.resolved is None:
        return _first(run, worker_image)
    before = Resolved.model_validate(run.status.resolved)
    # A stage kind that is newer than the run has no pinned version.
    versions = {**_current_versions(), **before.stage_versions}
    seen = as_digests(before.seen)
    if (versions, seen) != (before.stage_versions, before.seen):
        before = before.model_copy(update={"stage_versions": versions, "seen": seen})
    if retried and before.stage_versions == _current_versions():
        before = before.model_copy(update={"worker_image": worker_image})
    if before.generation != run.generation:
        return _next(run, before)
    if before.prepared is not None:
        return before
    # A newer operator may have more fields, so the key of an uncommitted prepare can change.
    spec = spec_of(before)
    key = prepare_key(recipe_of(spec), spec, before.stage_versions)
    return before.model_copy(update={"prepare_key": key})


_specs: tuple[tuple[dict[str, Any], tuple[int, ...] | None, PinnedSpec], ...] = ()
"""The last specs that `spec_of` has read, with what it read: one plan reads its spec often."""
SPECS_KEPT = 4


def spec_of(resolved: Resolved) -> SelfAlignmentRunSpec:
    """Return the resolved spec."""
    global _specs  # noqa: PLW0603 (a cache)
    for document, writers, known in _specs:
        # Copies of resolved values share the document of the spec, and nobody changes it.
        if document is resolved.spec and writers == resolved.writers:
            return known
    spec = PinnedSpec.read_stored({**resolved.spec, WRITERS: resolved.writers})
    _specs = ((resolved.spec, resolved.writers, spec), *_specs[: SPECS_KEPT - 1])
    return spec


def recipe_of(spec: SelfAlignmentRunSpec) -> Recipe:
    """Return the recipe that a spec names."""
    return recipe_named(spec.recipe)


def inputs_of(prepared: Prepared) -> dict[str, str]:
    """Return the digests that prepare resolved, and the revisions of models, by input."""
    inputs = {
        MODEL: prepared.model_digest,
        SEED_TASKS: prepared.seed_tasks_digest,
        TEMPLATES: prepared.templates_digest,
        **{f"{BENCHMARK}{name}": digest for name, digest in prepared.benchmarks.items()},
        **{f"{EVALUATION}{name}": one.digest for name, one in (prepared.evaluation or {}).items()},
    }
    if prepared.score_templates_digest is not None:
        inputs[SCORE_TEMPLATES] = prepared.score_templates_digest
    if prepared.model_revision is not None:
        inputs[MODEL_REVISION] = prepared.model_revision
    if prepared.judge is not None:
        inputs[JUDGE] = prepared.judge.digest
        if prepared.judge.revision is not None:
            inputs[JUDGE_REVISION] = prepared.judge.revision
    return inputs


def _first(run: RunView, worker_image: str) -> Resolved:
    spec = _decontaminated(_measured(_read(run.spec)))
    versions = _current_versions()
    return Resolved(
        generation=run.generation,
        seen=field_digests(run.spec),
        spec=spec.document(),
        stage_versions=versions,
        worker_image=worker_image,
        prepare_key=prepare_key(recipe_of(spec), spec, versions),
    )


def _next(run: RunView, before: Resolved) -> Resolved:
    fresh = _decontaminated(_measured(_read(run.spec))).document()
    now = digests_like(before.seen, run.spec)
    spec = _read(_resolve(before.seen, now, before.spec, fresh))
    if spec.safeguards is not None and spec.safeguards.acts:
        spec = _measured(spec)
    if not _drops_overlaps(spec_of(before)):
        # No stage of the run depends on the default yet.
        spec = _decontaminated(spec)
    key = prepare_key(recipe_of(spec), spec, before.stage_versions)
    return before.model_copy(
        update={
            "generation": run.generation,
            "seen": field_digests(run.spec),
            "spec": spec.document(),
            "prepare_key": key,
            "writers": _begun_writers(run, before, spec),
            "inputs": _unchanged_inputs(before.inputs, spec_of(before), spec),
            "prepared": before.prepared if key == before.prepare_key else None,
        }
    )


def _measured(spec: SelfAlignmentRunSpec) -> SelfAlignmentRunSpec:
    """Return the spec with the default yardstick if it says nothing about one.

    The field has no default in the schema: an API server would write it into the stored runs of an
    earlier version, whose pinned values have no yardstick.
    """
    if spec.yardstick is not None:
        return spec
    return spec.model_copy(update={"yardstick": Yardstick()})


def _decontaminated(spec: SelfAlignmentRunSpec) -> SelfAlignmentRunSpec:
    """Return the spec with the default for responses that overlap with a benchmark.

    The field has no default in the schema: a run of an earlier version that drops instructions only
    would train again after an upgrade.
    """
    evaluation = spec.evaluation
    if evaluation is None or evaluation.contaminated_responses or not _drops_overlaps(spec):
        return spec
    changed = evaluation.model_copy(update={"contaminated_responses": "Drop"})
    return spec.model_copy(update={"evaluation": changed})


def _drops_overlaps(spec: SelfAlignmentRunSpec) -> bool:
    """Return whether the run keeps the items of a benchmark out of the training."""
    benchmarks = () if spec.evaluation is None else spec.evaluation.benchmarks
    return any(one.decontaminate == "Drop" for one in benchmarks)


def _begun_writers(
    run: RunView, before: Resolved, spec: SelfAlignmentRunSpec
) -> tuple[int, ...] | None:
    """Return the writers of the iterations that have begun; None if no rule decides about them."""
    known = before.writers or ()
    if before.writers is None and not waits_for_verdicts(spec):
        return None
    begun = max((iteration_of(record.id) for record in run.status.stages), default=0)
    return tuple(known[i] if i < len(known) else i for i in range(begun))


def _read(document: Mapping[str, Any]) -> SelfAlignmentRunSpec:
    try:
        return SelfAlignmentRunSpec.read_stored(dict(document))
    except ValidationError as error:
        first = invalid_fields(error)[0]
        raise PlanningError(Reason.INVALID_SPEC, f"spec.{first}", terminal=True) from error


def _current_versions() -> dict[str, int]:
    return {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def _resolve(
    seen: Mapping[str, Any],
    now: Mapping[str, Any],
    pinned: Mapping[str, Any],
    fresh: Mapping[str, Any],
) -> dict[str, Any]:
    """Return `pinned` with the values of `fresh` for the fields that the user changed.

    `seen` and `now` have the digests of the user's spec before and now.
    """
    result: dict[str, Any] = {}
    for name in pinned.keys() | fresh.keys():
        old, new = seen.get(name), now.get(name)
        kept, made = pinned.get(name), fresh.get(name)
        if old == new:
            value = kept
        elif name not in ONE_OF and isinstance(kept, dict) and isinstance(made, dict):
            value = _resolve(old or {}, new or {}, kept, made)
        else:
            value = made
        if value is not None:
            result[name] = value
    return result


def _unchanged_inputs(
    inputs: Mapping[str, str], before: SelfAlignmentRunSpec, now: SelfAlignmentRunSpec
) -> dict[str, str]:
    same_model = _place(before.model) == _place(now.model)
    same_judge = _judge_place(before) == _judge_place(now)
    unchanged = {
        MODEL: same_model,
        MODEL_REVISION: same_model,
        JUDGE: same_judge,
        JUDGE_REVISION: same_judge,
        SEED_TASKS: before.seed_tasks == now.seed_tasks,
        TEMPLATES: before.prompts_ref == now.prompts_ref,
        SCORE_TEMPLATES: before.prompts_ref == now.prompts_ref,
        **_unchanged_benchmarks(before, now),
        **_unchanged_evaluation(before, now),
    }
    return {name: digest for name, digest in inputs.items() if unchanged.get(name, False)}


def _place(model: Model) -> tuple[str, str | None]:
    return (model.storage_uri, model.revision)


def _judge_place(spec: SelfAlignmentRunSpec) -> tuple[str, str | None] | None:
    model = spec.judge.model if spec.judge is not None else None
    return None if model is None else _place(model)


def _unchanged_benchmarks(
    before: SelfAlignmentRunSpec, now: SelfAlignmentRunSpec
) -> dict[str, bool]:
    old = {b.name: b.storage_uri for b in before.curation.decontamination.benchmarks}
    new = {b.name: b.storage_uri for b in now.curation.decontamination.benchmarks}
    return {f"{BENCHMARK}{name}": new.get(name) == uri for name, uri in old.items()}


def _unchanged_evaluation(
    before: SelfAlignmentRunSpec, now: SelfAlignmentRunSpec
) -> dict[str, bool]:
    """Return whether the data of each benchmark and judgement comes from the same place.

    The document of a judgement also contains templates, so another `promptsRef` reads it again.
    """
    old, new = _evaluation_sources(before), _evaluation_sources(now)
    return {f"{EVALUATION}{name}": new.get(name) == source for name, source in old.items()}


def _evaluation_sources(spec: SelfAlignmentRunSpec) -> dict[str, tuple[object, ...]]:
    if spec.evaluation is None:
        return {}
    found: dict[str, tuple[object, ...]] = {
        one.name: (one.task, one.storage_uri) for one in spec.evaluation.benchmarks
    }
    for one in spec.evaluation.judgements or ():
        found[one.name] = (one.kind, one.storage_uri, spec.prompts_ref)
    return found
