"""The forecast of whole runs, with and without results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from isheep.api.reading.loader import load_run
from isheep.contract.prepared import Prepared
from isheep.planner.forecast import Forecast, forecast, work
from isheep.planner.walk import walk
from isheep.recipes.interface import Stage, Statistics
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS

from ..recipes.stages_of import PREPARED

EXAMPLES = Path(__file__).parents[4] / "examples"
VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}


def forecast_of(
    example: str, results: Mapping[str, Statistics], prepared: Prepared | None = PREPARED
) -> Forecast:
    spec = load_run(EXAMPLES / example).run.spec

    def lookup(stage: Stage, _key: str) -> Statistics | None:
        return results.get(stage.id)

    recipe = RECIPES[spec.recipe]
    committed = prepared is not None
    return forecast(recipe, spec, prepared, VERSIONS, lookup, prepare_committed=committed)


@pytest.mark.parametrize("prepared", [None, PREPARED])
@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_is_predicted_to_its_last_report(
    file: Path, prepared: Prepared | None
) -> None:
    made = forecast_of(str(file.relative_to(EXAMPLES)), {}, prepared)
    last = load_run(file).run.spec.iterations
    assert made.end.complete
    assert made.stages[-1].stage.id == f"i{last}/report"
    left = work(made.stages)
    assert left.completions > 0
    assert left.optimizer_steps is None or left.optimizer_steps > 0


@pytest.mark.parametrize(
    ("example", "completions", "steps"),
    [
        # Appendix E: a training of the paper has 338 steps; an eighth of 10,000 in each iteration.
        ("ablations/one-base.yaml", 3 * 1250, 3 * 338),
        ("ablations/direct-20k.yaml", 2500, 338),
    ],
)
def test_the_work_of_the_papers_runs(example: str, completions: int, steps: int) -> None:
    left = work(forecast_of(example, {}).stages)
    assert (left.completions, left.optimizer_steps) == (completions, steps)


def test_the_known_stages_are_those_of_the_walk() -> None:
    """A stage is predicted only if a missing result can change it."""
    results = {
        "i1/generate/r1": {},
        "i1/curate/r1": {"accepted": 30.0},
        "i1/generate/r2": {},
    }
    spec = load_run(EXAMPLES / "quickstart.yaml").run.spec
    made = forecast_of("quickstart.yaml", results)
    walked = walk(
        RECIPES[spec.recipe],
        spec,
        PREPARED,
        VERSIONS,
        lambda stage, _key: {} if stage.id == "prepare" else results.get(stage.id),
    )
    certain = [one for one in made.stages if not one.predicted]
    assert {one.stage.id: one.key for one in certain} == walked.keys
    assert [one.stage.id for one in certain][-1] == "i1/curate/r2"
    assert {one.stage.id for one in certain if one.result is not None} == walked.results.keys()
    assert all(one.key is None for one in made.stages if one.predicted)


def test_a_result_replaces_the_bound_of_the_steps() -> None:
    results = {
        "i1/generate/r1": {},
        "i1/curate/r1": {"accepted": 48.0},
        "i1/respond": {},
        "i1/assess": {},
        "i1/select": {"kept": 8.0, "meanScore": 5.0},
    }
    bound = work(forecast_of("quickstart.yaml", {}).stages).optimizer_steps
    left = work(forecast_of("quickstart.yaml", results).stages).optimizer_steps
    assert bound is not None
    assert left is not None
    assert 0 < left < bound
