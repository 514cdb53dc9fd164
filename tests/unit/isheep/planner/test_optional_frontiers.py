"""Frontiers with optional stages: the count alone does not tell which of them exist."""

from __future__ import annotations

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import Frontier
from isheep.planner.frontier import expand, known_stages, walk_frontier
from isheep.planner.job_stages import walked_from
from isheep.planner.walk import walk
from isheep.recipes.interface import FAILED, Stage, Statistics
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from .prepared_inputs import prepared_for, with_evaluation
from .scenarios import run_until
from .simulation import PlannerSimulation, spec_with
from .test_optional_stages import BASE, LAST, QUIZ_DIGEST, measured

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def test_a_frontier_tells_which_measurements_exist() -> None:
    spec_document = spec_with(yardstick={})
    simulation = measured(yardstick={})
    simulation.run_to_end()
    spec = SelfAlignmentRunSpec.read(spec_document)
    recipe, prepared = RECIPES["ISheep"], prepared_for()
    whole = walk(recipe, spec, prepared, VERSIONS, lambda _s, key: simulation.store.get(key))
    for missing in ((), (BASE,), (LAST, "i2/verdict"), ("i1/evaluate/yardstick", "i1/verdict")):
        without = {whole.keys[stage] for stage in missing}
        store = {key: found for key, found in simulation.store.items() if key not in without}
        frontier = known_stages(recipe, spec, prepared, VERSIONS, store.get)
        found = expand(
            Frontier.model_validate_json(frontier.model_dump_json(by_alias=True)),
            recipe,
            spec,
            prepared,
            VERSIONS,
        )
        left = {ref.id for ref in found}
        assert left == {
            s.id
            for s in whole.stages
            if s.id not in missing and str(s.kind) not in ("prepare", "report")
        }, missing


def scored(jobs: str) -> PlannerSimulation:
    """Return a run with optional stages that have no statistics for the status."""
    assessment = {"controls": 50, "anchors": 50}
    return measured(compute={"inference": {"jobs": jobs}}, assessment=assessment)


def test_prepare_finds_the_controls_that_exist() -> None:
    first, second = scored("PerStage"), scored("PerStage")
    first.run_to_end()
    second.store = dict(first.store)
    second.run_to_end()
    assert second.started == ["prepare", "i1/report", "i2/report"]


def test_the_frontier_of_a_job_counts_its_controls() -> None:
    """A long result of a Job has its frontier only."""
    simulation = scored("Joined")
    name = run_until(simulation, "i2/generate/r1")
    simulation.complete(name)
    (result,) = simulation.attempts[name].results
    simulation.attempts[name].results = (result.model_copy(update={"steps": ()}),)
    simulation.run_pass()
    committed = {record.id for record in simulation.run.status.stages if record.committed}
    assert {"i2/assess", "i2/controls", "i2/anchors"} <= committed


def test_a_frontier_is_read_with_a_measurement_that_failed_after_its_first_stage() -> None:
    """The keys of the stages behind such a measurement depend on its failure."""
    quiz = {"benchmarks": [{"name": "quiz", "task": "arc_easy"}]}
    spec = SelfAlignmentRunSpec.read(spec_with(iterations=1, evaluation=quiz))
    recipe, prepared = RECIPES["ISheep"], with_evaluation(prepared_for(), spec)
    failed = f"i0/score/arc-easy-{QUIZ_DIGEST}-raw"
    figures = {"accepted": 40.0, "kept": 20.0, "meanScore": 8.0, "samples": 20.0, "items": 130.0}

    def known(stage: Stage, _key: str) -> Statistics | None:
        return FAILED if stage.id == failed else figures

    walked = walk(recipe, spec, prepared, VERSIONS, known)
    stages = walked_from(walked.stages, "i1/train", "Run")
    found = expand(walk_frontier(stages, walked), recipe, spec, prepared, VERSIONS, known=known)
    assert {ref.id for ref in found} == {stage.id for stage in stages} - {failed}
    assert {"i1/verdict", "i1/report"} < {ref.id for ref in found}
