"""Complete runs of SelfInstruct, its light variant and Alpaca, on a model with their formats."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from isheep.contract.order import Outcome
from isheep.contract.rule_names import DROP
from isheep_worker.report.funnel import FunnelStep, funnel
from isheep_worker.rows.schema import (
    CLASSES,
    COMPLETIONS,
    INSTRUCTIONS,
    MEASURES,
    PAIRS,
    SCORES,
    SELECTIONS,
    WHOLE_TASKS,
)
from isheep_worker.rules.registry import all_names
from isheep_worker.stages.report import stage_figures

from ..funnel_check import explained

# The model answers yes to prompts that end with a colon, and neither yes nor no to other prompts.
ASK = "{% if 'e' in instruction %}{{ instruction }}:{% else %}{{ instruction }}?{% endif %}"

SELF_INSTRUCT: dict[str, Any] = {
    "examplesPerPrompt": 4,
    "machineExamples": 2,
    "sampling": {"temperature": 1.0, "topP": 1.0, "presencePenalty": 0.1, "maxTokens": 80},
    "maxInstances": 3,
    "instanceSampling": {"temperature": 1.0, "presencePenalty": 0.1, "maxTokens": 60},
}
NO_SELECTION = {"method": "None", "minSamples": 1}
ALPACA_TASKS = 30
"""Whole tasks are long, so there are only as many as two rounds make."""
CHANGES: dict[str, dict[str, Any]] = {
    "SelfInstruct": {
        "recipe": "SelfInstruct",
        "instructions": {"count": 66},
        "selfInstruct": SELF_INSTRUCT,
        "curation__rules": "Auto",
        "selection": NO_SELECTION,
    },
    "Light": {
        "recipe": "SelfInstruct",
        "instructions": {"count": 20},
        "selfInstruct": {**SELF_INSTRUCT, "instances": "ZeroShot"},
        "selection": NO_SELECTION,
    },
    "Alpaca": {
        "recipe": "Alpaca",
        "instructions": {"count": ALPACA_TASKS},
        "alpaca": {"sampling": {"maxTokens": 80}},
        "selection": NO_SELECTION,
    },
}
ROUNDS = ("generate", "curate")
STAGES = {
    "SelfInstruct": (*ROUNDS, "classify", "instantiate"),
    "Light": (*ROUNDS, "respond"),
    "Alpaca": ROUNDS,
}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    (folder / "self-instruct-classify.jinja").write_text(ASK)
    return folder


@pytest.fixture(scope="module")
def make(fork_server, formatted_text_model_dir, make_driver, templates) -> Any:
    """Returns a function that makes a driver for a variant, with changes of the spec."""

    def driver(
        variant: str, store: Path, run_order: Any = fork_server.run_order, **changes: Any
    ) -> Any:
        return make_driver(
            store,
            run_order,
            model=formatted_text_model_dir,
            sources={"templates": str(templates)},
            **{**copy.deepcopy(CHANGES[variant]), **changes},
        )

    return driver


@pytest.fixture(scope="module")
def done(make, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns a function that makes the complete run of a variant. Tests only read it."""
    drivers: dict[str, Any] = {}

    def run(variant: str) -> Any:
        if variant not in drivers:
            drivers[variant] = make(variant, tmp_path_factory.mktemp("store"))
            drivers[variant].run()
        return drivers[variant]

    return run


def rows(driver: Any, codec: Any, stage: str) -> list[Any]:
    return [codec.decode(line) for line in driver.artifacts.read_lines(driver.key(stage))]


def curates(driver: Any) -> list[str]:
    return [stage for stage in driver.statistics if "/curate/" in stage]


def drops(statistics: dict[str, float]) -> float:
    """Return the number of drops by rules. Parse failures do not count, as they made no row."""
    return sum(v for n, v in statistics.items() if n.startswith("drop:") and ":parse-" not in n)


@pytest.mark.parametrize("variant", CHANGES)
def test_a_run_has_the_stages_of_its_recipe(variant, done) -> None:
    driver = done(variant)
    kinds = [s.partition("/")[2].partition("/")[0] or s for s in driver.statistics]
    ending = ("select", "train", "merge", "report")
    assert tuple(dict.fromkeys(kinds)) == ("prepare", *STAGES[variant], *ending)
    assert len(curates(driver)) > 1
    assert driver.statistics["i1/train"]["samples"] > 10
    for statistics in driver.statistics.values():
        names = {n.removeprefix(DROP) for n in statistics if n.startswith(DROP)}
        assert names <= all_names()


def funnel_of(driver: Any) -> dict[str, FunnelStep]:
    """Return the funnel of iteration 1 by its labels, after a check that it adds up."""
    manifests = (driver.artifacts.manifest(driver.key(s)) for s in driver.statistics if "/" in s)
    steps = explained(funnel(1, [stage_figures(manifest) for manifest in manifests]))
    assert steps[0].label == "completions"
    return {step.label: step for step in steps}


@pytest.mark.parametrize("variant", CHANGES)
def test_the_funnel_adds_up(variant, done) -> None:
    driver = done(variant)
    found = funnel_of(driver)
    train = driver.statistics["i1/train"]
    assert found["pairs held out for validation"].count == train["validationSamples"] > 0
    assert found["pairs trained on"].count == train["samples"]
    labels = list(found)
    parse = [label for label in labels if label.startswith("parse-")]
    assert parse
    assert labels.index(parse[0]) < labels.index("instructions parsed")


def test_machine_made_examples_are_from_the_pool_of_the_previous_round(done) -> None:
    driver = done("SelfInstruct")
    made: set[str] = set()
    for number, curate in enumerate(curates(driver), start=1):
        shown = rows(driver, COMPLETIONS, f"i1/generate/r{number}")
        for row in shown:
            machine = [example for example in row.exemplars if example.startswith("i1-")]
            assert len(row.exemplars) == len(set(row.exemplars)) == 4
            assert len(machine) == min(2, len(made))
            assert set(machine) <= made
        if len(made) > 1:
            # They are at any position, because the draw is shuffled.
            places = {row.exemplars[0].startswith("i1-") for row in shown}
            assert places == {True, False} or len(shown) < 8
        made = {row.id for row in rows(driver, INSTRUCTIONS, curate)}


def test_instances_are_pairs_of_their_instructions(done) -> None:
    driver = done("SelfInstruct")
    tasks = {row.id: row for row in rows(driver, INSTRUCTIONS, curates(driver)[-1])}
    classes = rows(driver, CLASSES, "i1/classify")
    assert [row.id for row in classes] == list(tasks)
    assert [row.is_classification for row in classes] == [
        True if "e" in task.instruction else None for task in tasks.values()
    ]
    pairs = rows(driver, PAIRS, "i1/instantiate")
    assert len({pair.id for pair in pairs}) == len(pairs)
    for pair in pairs:
        task, _, number = pair.id.rpartition("-k")
        assert (pair.instruction, 1 <= int(number) <= 3) == (tasks[task].instruction, True)
        assert pair.response
    assert {pair.id.rpartition("-k")[2] for pair in pairs} == {"1", "2", "3"}
    order = [pair.id.rpartition("-k")[0] for pair in pairs]
    assert order == sorted(order, key=list(tasks).index)
    assert [row.id for row in rows(driver, SELECTIONS, "i1/select")] == [pair.id for pair in pairs]


def test_every_instance_is_counted(done) -> None:
    driver = done("SelfInstruct")
    classify, instantiate = driver.statistics["i1/classify"], driver.statistics["i1/instantiate"]
    assert classify["instructions"] == instantiate["instructions"] == 66
    assert 0 < classify["classifications"] < 66
    assert classify["classifications"] + classify["unreadable"] == 66
    assert instantiate["parsed"] == instantiate["pairs"] + drops(instantiate)
    assert instantiate["pairs"] == driver.statistics["i1/select"]["kept"] > 0
    examples = driver.artifacts.manifest(driver.key("i1/instantiate")).examples
    assert set(examples) == {
        name.removeprefix("drop:")
        for name in instantiate
        if name.startswith("drop:") and ":parse-" not in name
    }


def test_alpacas_tasks_have_their_responses(done) -> None:
    driver = done("Alpaca")
    tasks = rows(driver, WHOLE_TASKS, curates(driver)[-1])
    assert [row.id for row in tasks] == [
        row.id for row in rows(driver, INSTRUCTIONS, curates(driver)[-1])
    ]
    selected = rows(driver, SELECTIONS, "i1/select")
    assert [(row.id, row.response) for row in selected] == [(row.id, row.response) for row in tasks]
    assert all(row.response for row in tasks)
    parsed = sum(driver.statistics[stage]["parsed"] for stage in curates(driver))
    assert parsed == ALPACA_TASKS + sum(
        drops(driver.statistics[stage]) for stage in curates(driver)
    )


FIGURES: dict[str, tuple[dict[str, Any], str, Any]] = {
    "assessed": (
        {"method": "SelfAssessment", "threshold": 0, "minSamples": 1},
        "i1/assess",
        SCORES,
    ),
    "measured": (
        {"method": "DensityPerplexity", "density": {"clusters": 5}, "minSamples": 1},
        "i1/measure",
        MEASURES,
    ),
}
"""A selection by each kind of figures, the stage that makes the figures, and their rows."""


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("SelfInstruct", "assessed"),
        ("Alpaca", "measured"),
        pytest.param("SelfInstruct", "measured", marks=pytest.mark.long),
        pytest.param("Alpaca", "assessed", marks=pytest.mark.long),
    ],
)
def test_pairs_of_any_recipe_can_be_scored_and_measured(
    recipe: str, name: str, done, make, tmp_path
) -> None:
    selection, stage, codec = FIGURES[name]
    store = tmp_path / "store"
    shutil.copytree(done(recipe).folder, store, symlinks=True)
    driver = make(recipe, store, selection=selection)
    driver.run(until="i1/train")
    pairs = rows(
        driver, PAIRS, "i1/instantiate" if recipe == "SelfInstruct" else curates(driver)[-1]
    )
    assert [row.id for row in rows(driver, codec, stage)] == [pair.id for pair in pairs]
    assert driver.statistics["i1/select"]["kept"] > 0
    result = "pairs scored" if stage == "i1/assess" else "pairs measured"
    assert funnel_of(driver)[result].kind in ("count", "note")


@pytest.mark.parametrize("stage", ["i1/classify", "i1/instantiate"])
def test_an_interrupted_stage_has_the_same_bytes(stage, done, make, fork_server, tmp_path) -> None:
    whole = done("SelfInstruct")
    store = tmp_path / "store"
    shutil.copytree(whole.folder, store, symlinks=True)
    driver = make("SelfInstruct", store)
    driver.prepared, driver.statistics = whole.prepared, dict(whole.statistics)
    order = driver.step(stage)
    driver.uncommit(stage)
    ((code, result),) = fork_server.run({"order": order, "stop_after_parts": 1})
    assert (code, result.reason) == (143, "Stopped")
    assert driver.artifacts.parts(order.steps[0].key) == [0]
    ((code, result),) = fork_server.run({"order": order, "kill_after": 0.05})
    assert fork_server.run_order(order).outcome is Outcome.COMMITTED
    assert driver.content() == whole.content()
    driver.uncommit(stage)
    ends = fork_server.run({"order": order, "shard": [0, 2]}, {"order": order, "shard": [1, 2]})
    assert Outcome.COMMITTED in [result.outcome for _, result in ends]
    assert driver.content() == whole.content()


@pytest.mark.long
def test_isheep_run_makes_the_same_bytes(
    done, formatted_text_model_dir, templates, tmp_path
) -> None:
    driver = done("SelfInstruct")
    document = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": "demo"},
        "spec": driver.spec.document() | {"promptsRef": {"name": "templates"}},
    }
    # Another recipe refuses the fields of `instructions` that only I-SHEEP uses.
    document["spec"]["instructions"] = {"count": driver.spec.instructions.count}
    # `isheep run` would measure the models by default.
    document["spec"]["yardstick"] = {"items": 0}
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(document))
    program = "import sys; from isheep.cli import main; sys.exit(main())"
    store, given = tmp_path / "store", f"templates={templates}"
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    ended = subprocess.run(
        [sys.executable, "-c", program, "run", file, "--store", store, "--config-map", given],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    made = type(driver).content_of(store)
    assert made == driver.content()
    report = json.loads((store / "default/runs/demo/report.json").read_text())
    (iteration,) = report["iterations"]
    labels = [step["label"] for step in iteration["funnel"]]
    assert {"pairs instantiated", "pairs kept: D(t)"} <= set(labels)
