"""Pinning: the values that a generation is planned from, and those that an edit resolves again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.yardstick import Yardstick
from isheep.contract.prepared import PreparedJudge
from isheep.planner import pinning
from isheep.planner.orders import resolve_sources
from isheep.planner.pinning import PlanningError, Resolved, pin, spec_of
from isheep.planner.seen_fields import EARLIER_DIGITS, field_digests
from isheep.planner.types import Environment, RunView, Start
from isheep.recipes.pinned_spec import decided_writers
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind

from .prepared_inputs import prepared_for
from .simulation import SPEC, PlannerSimulation, make_run, spec_with


def pinned(run: RunView, resolved: Resolved) -> RunView:
    status = run.status.model_copy(update={"resolved": resolved.document()})
    return replace(run, status=status)


def edited(run: RunView, spec: dict[str, Any]) -> RunView:
    return replace(run, spec=spec, generation=run.generation + 1)


def first(spec: dict[str, Any] | None = None) -> tuple[RunView, Resolved]:
    run = make_run(spec)
    resolved = pin(run, "image-1", retried=False).with_prepared(prepared_for())
    return pinned(run, resolved), resolved


def with_old_defaults(resolved: Resolved) -> Resolved:
    """Return the values as an operator with other defaults would resolve them."""
    spec = dict(resolved.spec)
    spec["training"] = {**spec["training"], "maxSamples": 111, "warmupSteps": 7}
    spec["language"] = "de"
    return resolved.model_copy(update={"spec": spec, "worker_image": "old-image"})


def test_the_resolved_values_are_read_back_from_the_status() -> None:
    run, resolved = first()
    assert pin(run, "image-2", retried=False) == resolved
    assert spec_of(resolved).document() == SelfAlignmentRunSpec.read(SPEC).document()
    assert resolved.seen == field_digests(SPEC)


def test_one_plan_reads_its_spec_once_for_the_same_values() -> None:
    _, resolved = first()
    assert spec_of(resolved.model_copy(update={"worker_image": "other"})) is spec_of(resolved)
    decided = resolved.model_copy(update={"writers": (0, 1)})
    assert decided_writers(spec_of(decided)) == (0, 1)
    assert decided_writers(spec_of(resolved)) == ()
    edited = resolved.model_copy(update={"spec": {**resolved.spec, "iterations": 7}})
    assert spec_of(edited).iterations == 7


def test_a_generation_is_resolved_once() -> None:
    run, resolved = first()
    old = with_old_defaults(resolved)
    assert pin(pinned(run, old), "image-2", retried=False) == old


def test_an_edit_resolves_only_the_edited_fields() -> None:
    run, resolved = first()
    run = pinned(run, with_old_defaults(resolved))
    after = pin(edited(run, spec_with(training={"warmupSteps": 9})), "image-2", retried=False)
    spec = spec_of(after)
    assert spec.training.warmup_steps == 9
    assert spec.training.max_samples == 111
    assert spec.language == "de"
    assert after.worker_image == "old-image"
    assert after.generation == 2


def test_a_field_that_is_removed_gets_the_current_default() -> None:
    run, resolved = first(spec_with(training={"warmupSteps": 9}))
    run = pinned(run, with_old_defaults(resolved))
    spec = spec_of(pin(edited(run, SPEC), "image", retried=False))
    assert spec.training.warmup_steps == 20
    assert spec.training.max_samples == 111


def test_an_edit_reads_a_benchmark_of_the_decontamination_again_if_its_place_has_changed() -> None:
    def spec(**places: str) -> dict[str, Any]:
        benchmarks = [{"name": name, "storageUri": uri} for name, uri in places.items()]
        return spec_with(curation={"decontamination": {"benchmarks": benchmarks}})

    run = make_run(
        spec(kept="s3://bucket/kept", moved="s3://bucket/old", removed="s3://bucket/gone")
    )
    digests = {"kept": "a" * 64, "moved": "b" * 64, "removed": "c" * 64}
    prepared = prepared_for().model_copy(update={"benchmarks": digests})
    run = pinned(run, pin(run, "image", retried=False).with_prepared(prepared))
    after = pin(
        edited(run, spec(kept="s3://bucket/kept", moved="s3://bucket/new")), "image", retried=False
    )
    assert set(digests.values()) & set(after.inputs.values()) == {digests["kept"]}


def without_yardstick(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in spec_with(**changes).items() if name != "yardstick"}


def of_earlier_version(**changes: Any) -> RunView:
    """Return a run whose values were pinned when a spec without a yardstick measured nothing."""
    run, resolved = first(without_yardstick(**changes))
    spec = {name: value for name, value in resolved.spec.items() if name != "yardstick"}
    return pinned(run, resolved.model_copy(update={"spec": spec}))


def test_a_new_run_has_the_default_yardstick() -> None:
    _, resolved = first(without_yardstick())
    assert spec_of(resolved).yardstick == Yardstick()
    _, off = first(spec_with(yardstick={"items": 0}))
    assert spec_of(off).yardstick == Yardstick(items=0)


def test_a_run_of_an_earlier_version_gets_no_yardstick_from_an_upgrade() -> None:
    run = of_earlier_version()
    assert spec_of(pin(run, "image-2", retried=False)).yardstick is None
    other = edited(run, without_yardstick(training={"warmupSteps": 9}))
    assert spec_of(pin(other, "image-2", retried=False)).yardstick is None


def drops(**fields: Any) -> dict[str, Any]:
    quiz = {"name": "quiz", "task": "arc_easy", "decontaminate": "Drop"}
    return spec_with(evaluation={"benchmarks": [quiz], **fields})


def responses_of(resolved: Resolved) -> str | None:
    evaluation = spec_of(resolved).evaluation
    return None if evaluation is None else evaluation.contaminated_responses


def test_a_new_run_drops_contaminated_responses_and_one_of_an_earlier_version_does_not() -> None:
    run, resolved = first(drops())
    assert responses_of(resolved) == "Drop"
    assert responses_of(first(drops(contaminatedResponses="Keep"))[1]) == "Keep"
    report = {"benchmarks": [{"name": "quiz", "task": "arc_easy"}]}
    assert responses_of(first(spec_with(evaluation=report))[1]) is None

    spec = dict(resolved.spec)
    spec["evaluation"] = {"benchmarks": spec["evaluation"]["benchmarks"]}
    old = pinned(run, resolved.model_copy(update={"spec": spec}))
    assert responses_of(pin(old, "image-2", retried=False)) is None
    added = drops()["evaluation"]["benchmarks"] + [{"name": "rules", "task": "ifeval"}]
    more = edited(old, spec_with(evaluation={"benchmarks": added}))
    assert responses_of(pin(more, "image-2", retried=False)) is None
    asked = edited(old, drops(contaminatedResponses="Drop"))
    assert responses_of(pin(asked, "image-2", retried=False)) == "Drop"


def test_a_run_that_begins_to_drop_overlaps_drops_responses_too() -> None:
    report = {"benchmarks": [{"name": "quiz", "task": "arc_easy"}]}
    for before in (spec_with(evaluation=report), spec_with()):
        run, resolved = first(before)
        later = edited(pinned(run, resolved), drops())
        assert responses_of(pin(later, "image-2", retried=False)) == "Drop"


def test_a_run_of_an_earlier_version_measures_if_its_user_asks_for_it() -> None:
    run = of_earlier_version()
    asked = edited(run, spec_with(yardstick={"items": 50}))
    assert spec_of(pin(asked, "image-2", retried=False)).yardstick == Yardstick(items=50)
    stops = edited(run, without_yardstick(safeguards={"action": "Stop"}))
    assert spec_of(pin(stops, "image-2", retried=False)).yardstick == Yardstick()


COLLIDING = (("LD_PRELOAD", "/cache/353081.so"), ("NCCL_DEBUG", "INFO-42273611"))
"""Two variables whose list has the same digest of 48 bits."""
WARMUP_EDITED = spec_with(training={"warmupSteps": 9})
"""An edit of one field."""


def with_the_whole_spec(resolved: Resolved, spec: dict[str, Any]) -> Resolved:
    """Return the values as the version before the digests stored them."""
    return resolved.model_copy(update={"seen": dict(spec)})


def test_a_status_of_the_version_before_the_digests_resolves_only_the_edited_fields() -> None:
    run, resolved = first()
    old = with_the_whole_spec(with_old_defaults(resolved), SPEC)
    after = pin(edited(pinned(run, old), WARMUP_EDITED), "image-2", retried=False)
    spec = spec_of(after)
    assert (spec.training.warmup_steps, spec.training.max_samples) == (9, 111)
    assert spec.language == "de"
    assert after.seen == field_digests(WARMUP_EDITED)


def test_a_status_with_shorter_digests_resolves_only_the_edited_fields() -> None:
    run, resolved = first()
    shorter = field_digests(SPEC, EARLIER_DIGITS)
    old = with_old_defaults(resolved).model_copy(update={"seen": shorter})
    assert pin(pinned(run, old), "image-1", retried=False).seen == shorter
    after = pin(edited(pinned(run, old), WARMUP_EDITED), "image-2", retried=False)
    spec = spec_of(after)
    assert (spec.training.warmup_steps, spec.training.max_samples) == (9, 111)
    assert after.seen == field_digests(WARMUP_EDITED)


def test_a_value_with_the_short_digest_of_another_one_is_an_edit() -> None:
    """The two variables have one digest of 48 bits; a search of some minutes found them."""
    pair = [[{"name": name, "value": text}] for name, text in COLLIDING]
    specs = [spec_with(compute={"training": {"env": env}}) for env in pair]
    short = [field_digests(spec, EARLIER_DIGITS) for spec in specs]
    assert short[0] == short[1]
    run, resolved = first(specs[0])
    after = pin(edited(pinned(run, resolved), specs[1]), "image-1", retried=False)
    assert [one.name for one in spec_of(after).compute.training.env] == [COLLIDING[1][0]]


def test_a_status_of_the_version_before_the_digests_is_stored_with_digests() -> None:
    run, resolved = first()
    old = with_the_whole_spec(resolved, SPEC)
    assert pin(pinned(run, old), "image-1", retried=False) == resolved


def previous_resolve(
    seen: Mapping[str, Any],
    now: Mapping[str, Any],
    kept: Mapping[str, Any],
    made: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the values that the version before the digests resolves; its code, which is frozen."""
    result: dict[str, Any] = {}
    for name in kept.keys() | made.keys():
        if seen.get(name) == now.get(name):
            value = kept.get(name)
        elif (
            name not in ("seedTasks", "storage")
            and isinstance(kept.get(name), dict)
            and isinstance(made.get(name), dict)
        ):
            value = previous_resolve(
                seen.get(name) or {}, now.get(name) or {}, kept[name], made[name]
            )
        else:
            value = made.get(name)
        if value is not None:
            result[name] = value
    return result


@pytest.mark.parametrize(
    "edit",
    [
        {"training": {"warmupSteps": 9}},
        {"training": {}},
        {"compute": {"inference": {"podLabels": {"team": "b"}}}},
        {"seedTasks": {"storageUri": "s3://bucket/seeds.jsonl"}},
    ],
)
def test_the_version_before_the_digests_resolves_an_edit_alike_after_a_rollback(
    edit: dict[str, Any],
) -> None:
    spec = spec_with(
        training={"warmupSteps": 7},
        compute={"inference": {"podLabels": {"team": "a", "cost": "c"}, "env": [{"name": "A"}]}},
        safeguards={},
    )
    run, resolved = first(spec)
    pins = with_old_defaults(resolved).spec
    now = {**spec, **edit}
    fresh = SelfAlignmentRunSpec.read({**now, "yardstick": spec.get("yardstick")}).document()
    by_previous = previous_resolve(resolved.seen, now, pins, fresh)
    ours = pin(edited(pinned(run, with_old_defaults(resolved)), now), "image-1", retried=False)
    assert by_previous == ours.spec


OVER_THE_LIMITS = {"env": [{"name": f"V{n}", "value": "x" * 4096} for n in range(64)]}
"""Values that the schema of an earlier version allowed."""


def test_a_stored_run_over_the_limits_goes_on_and_can_be_suspended() -> None:
    spec = spec_with(compute={"inference": OVER_THE_LIMITS})
    simulation = PlannerSimulation(make_run(spec))
    simulation.run_pass()
    simulation.complete(simulation.active()[0])
    simulation.run_pass()
    simulation.edit(suspend=True)
    assert simulation.run_pass().status.phase == "Suspended"
    simulation.finish_stops()
    simulation.edit(suspend=False)
    assert simulation.run_to_end().phase == "Succeeded"
    resolved = Resolved.model_validate(simulation.run.status.resolved)
    assert spec_of(resolved).compute.inference.env[63].value == "x" * 4096


def test_a_new_source_of_seed_tasks_replaces_the_old_one() -> None:
    run, _ = first()
    spec = spec_with(seedTasks={"storageUri": "s3://bucket/seeds.jsonl"})
    seeds = spec_of(pin(edited(run, spec), "image", retried=False)).seed_tasks
    assert (seeds.builtin, seeds.storage_uri) == (None, "s3://bucket/seeds.jsonl")


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"selection": {"threshold": 1}}, {"model", "modelRevision", "seedTasks", "templates"}),
        ({"model": {"storageUri": "hf://org/other"}}, {"seedTasks", "templates"}),
        ({"model": {"revision": "v2"}}, {"seedTasks", "templates"}),
        ({"promptsRef": {"name": "mine"}}, {"model", "modelRevision", "seedTasks"}),
        (
            {"seedTasks": {"storageUri": "s3://bucket/seeds"}},
            {"model", "modelRevision", "templates"},
        ),
    ],
)
def test_an_edit_keeps_the_inputs_whose_fields_are_unchanged(
    changes: dict[str, Any], kept: set[str]
) -> None:
    run, resolved = first()
    after = pin(edited(run, spec_with(**changes)), "image", retried=False)
    assert after.prepared is None
    assert after.prepare_key != resolved.prepare_key
    assert set(after.inputs) == kept
    assert all(after.inputs[name] == resolved.inputs[name] for name in kept)


def test_an_input_stays_unpinned_if_its_field_is_restored_before_prepare_ends() -> None:
    run, _ = first()
    changed = edited(run, spec_with(model={"storageUri": "hf://o/x"}))
    run = edited(pinned(changed, pin(changed, "", retried=False)), SPEC)
    assert "model" not in pin(run, "", retried=False).inputs


def test_the_order_of_prepare_contains_the_pinned_inputs() -> None:
    simulation = PlannerSimulation()
    simulation.run_to_end()
    simulation.edit(selection={"threshold": 2})
    (start,) = (a for a in simulation.run_pass().actions if isinstance(a, Start))
    assert start.order.sources.model_revision == "commit-1"
    assert start.order.sources.pinned == {
        "model": "model of hf://org/model",
        "seedTasks": "seeds",
        "templates": "templates",
    }


def with_judge(uri: str, revision: str | None = None) -> dict[str, Any]:
    named = {} if revision is None else {"revision": revision}
    return spec_with(judge={"model": {"storageUri": uri, **named}})


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        (with_judge("hf://other/judge") | {"randomSeed": 5}, True),
        (with_judge("hf://other/judge-2"), False),
        (with_judge("hf://other/judge", "v2"), False),
        (spec_with(), False),
    ],
)
def test_a_judge_is_pinned_until_its_place_changes(after: dict[str, Any], kept: bool) -> None:
    run, resolved = first(with_judge("hf://other/judge"))
    judge = PreparedJudge(
        digest="j1", revision="c1", dtype="float32", max_model_length=9, chat_format="c"
    )
    assert resolved.prepared is not None
    resolved = resolved.with_prepared(resolved.prepared.model_copy(update={"judge": judge}))
    run = pinned(run, resolved)
    found = pin(edited(run, after), "image", retried=False)
    judged = {k: v for k, v in found.inputs.items() if k.startswith("judge")}
    assert judged == ({"judge": "j1", "judgeRevision": "c1"} if kept else {})
    sources = resolve_sources(
        StageKind.PREPARE, spec_of(found), found.inputs, Environment(worker_image="image")
    )
    assert sources.pinned.get("judge") == ("j1" if kept else None)
    assert "judgeRevision" not in sources.pinned
    assert sources.judge == after.get("judge", {}).get("model", {}).get("storageUri")
    assert sources.judge_revision == ("c1" if kept else "v2" if "v2" in str(after) else None)


def test_an_edit_of_compute_keeps_the_result_of_prepare() -> None:
    run, resolved = first()
    after = pin(
        edited(run, spec_with(compute={"inference": {"parallelism": 3}})), "", retried=False
    )
    assert after.prepared == resolved.prepared
    assert after.prepare_key == resolved.prepare_key


def test_a_retry_updates_the_image_only_with_the_same_stage_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, resolved = first()
    assert pin(run, "image-fixed", retried=True).worker_image == "image-fixed"
    raised = {kind: version + 1 for kind, version in STAGE_VERSIONS.items()}
    monkeypatch.setattr(pinning, "STAGE_VERSIONS", raised)
    after = pin(edited(run, spec_with(selection={"threshold": 1})), "image-fixed", retried=True)
    assert after.worker_image == "image-1"
    assert after.stage_versions == resolved.stage_versions


def test_a_new_kind_of_stage_gets_its_current_version() -> None:
    run, resolved = first()
    few = {k: v for k, v in resolved.stage_versions.items() if k != "report"}
    old = resolved.model_copy(update={"stage_versions": few})
    assert pin(pinned(run, old), "", retried=False).stage_versions == resolved.stage_versions


def test_the_error_about_an_invalid_spec_contains_the_field() -> None:
    with pytest.raises(PlanningError, match=r"spec\.iterations: .*") as caught:
        pin(make_run({**SPEC, "iterations": 99}), "", retried=False)
    assert caught.value.terminal
