"""SelfInstruct, its light variant and Alpaca, end to end on a tiny model that knows their forms."""

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

# The model answers what ends with a colon with yes, and says neither to anything else.
ASK = "{% if 'e' in instruction %}{{ instruction }}:{% else %}{{ instruction }}?{% endif %}"

SELF_INSTRUCT: dict[str, Any] = {
    "examplesPerPrompt": 4,
    "machineExamples": 2,
    "sampling": {"temperature": 1.0, "topP": 1.0, "presencePenalty": 0.1, "maxTokens": 80},
    "maxInstances": 3,
    "instanceSampling": {"temperature": 1.0, "presencePenalty": 0.1, "maxTokens": 60},
}
NO_SELECTION = {"method": "None", "minSamples": 1}
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
        "instructions": {"count": 66},
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
def make(forker, labelling_model_dir, make_chain, templates) -> Any:
    """Returns a chain of a variant, with changes."""

    def chain(variant: str, store: Path, carry_out: Any = forker.carry_out, **changes: Any) -> Any:
        return make_chain(
            store,
            carry_out,
            model=labelling_model_dir,
            sources={"templates": str(templates)},
            **{**copy.deepcopy(CHANGES[variant]), **changes},
        )

    return chain


@pytest.fixture(scope="module")
def done(make, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns the run of a variant that nothing disturbed. Read only."""
    chains: dict[str, Any] = {}

    def run(variant: str) -> Any:
        if variant not in chains:
            chains[variant] = make(variant, tmp_path_factory.mktemp("store"))
            chains[variant].run()
        return chains[variant]

    return run


def rows(chain: Any, codec: Any, stage: str) -> list[Any]:
    return [codec.decode(line) for line in chain.artifacts.read_lines(chain.key(stage))]


def curates(chain: Any) -> list[str]:
    return [stage for stage in chain.statistics if "/curate/" in stage]


def drops(statistics: dict[str, float]) -> float:
    """How many were dropped by rules: what could not be parsed was never there."""
    return sum(v for n, v in statistics.items() if n.startswith("drop:") and ":parse-" not in n)


@pytest.mark.parametrize("variant", CHANGES)
def test_a_run_goes_through_its_recipes_stages(variant, done) -> None:
    chain = done(variant)
    kinds = [s.partition("/")[2].partition("/")[0] or s for s in chain.statistics]
    ending = ("select", "train", "merge", "report")
    assert tuple(dict.fromkeys(kinds)) == ("prepare", *STAGES[variant], *ending)
    assert len(curates(chain)) > 1
    assert chain.statistics["i1/train"]["samples"] > 10


def test_machine_made_exemplars_come_from_the_pool_of_the_round_before(done) -> None:
    chain = done("SelfInstruct")
    made: set[str] = set()
    for number, curate in enumerate(curates(chain), start=1):
        shown = rows(chain, COMPLETIONS, f"i1/generate/r{number}")
        for row in shown:
            machine = [example for example in row.exemplars if example.startswith("i1-")]
            assert len(row.exemplars) == len(set(row.exemplars)) == 4
            assert len(machine) == min(2, len(made))
            assert set(machine) <= made
        if len(made) > 1:
            # Wherever they stand: the draw is shuffled.
            places = {row.exemplars[0].startswith("i1-") for row in shown}
            assert places == {True, False} or len(shown) < 8
        made = {row.id for row in rows(chain, INSTRUCTIONS, curate)}


def test_instances_are_pairs_of_their_instructions(done) -> None:
    chain = done("SelfInstruct")
    tasks = {row.id: row for row in rows(chain, INSTRUCTIONS, curates(chain)[-1])}
    classes = rows(chain, CLASSES, "i1/classify")
    assert [row.id for row in classes] == list(tasks)
    assert [row.is_classification for row in classes] == [
        True if "e" in task.instruction else None for task in tasks.values()
    ]
    pairs = rows(chain, PAIRS, "i1/instantiate")
    assert len({pair.id for pair in pairs}) == len(pairs)
    for pair in pairs:
        task, _, number = pair.id.rpartition("-k")
        assert (pair.instruction, 1 <= int(number) <= 3) == (tasks[task].instruction, True)
        assert pair.response
    assert {pair.id.rpartition("-k")[2] for pair in pairs} == {"1", "2", "3"}
    order = [pair.id.rpartition("-k")[0] for pair in pairs]
    assert order == sorted(order, key=list(tasks).index)
    assert [row.id for row in rows(chain, SELECTIONS, "i1/select")] == [pair.id for pair in pairs]


def test_every_instance_is_counted(done) -> None:
    chain = done("SelfInstruct")
    classify, instantiate = chain.statistics["i1/classify"], chain.statistics["i1/instantiate"]
    assert classify["instructions"] == instantiate["instructions"] == 66
    assert 0 < classify["classifications"] < 66
    assert classify["classifications"] + classify["unreadable"] == 66
    assert instantiate["parsed"] == instantiate["pairs"] + drops(instantiate)
    assert instantiate["pairs"] == chain.statistics["i1/select"]["kept"] > 0
    examples = chain.artifacts.manifest(chain.key("i1/instantiate")).examples
    assert set(examples) == {
        name.removeprefix("drop:")
        for name in instantiate
        if name.startswith("drop:") and ":parse-" not in name
    }


def test_alpacas_tasks_come_with_their_outputs(done) -> None:
    chain = done("Alpaca")
    tasks = rows(chain, WHOLE_TASKS, curates(chain)[-1])
    assert [row.id for row in tasks] == [
        row.id for row in rows(chain, INSTRUCTIONS, curates(chain)[-1])
    ]
    selected = rows(chain, SELECTIONS, "i1/select")
    assert [(row.id, row.response) for row in selected] == [(row.id, row.response) for row in tasks]
    assert all(row.response for row in tasks)
    parsed = sum(chain.statistics[stage]["parsed"] for stage in curates(chain))
    assert parsed == 66 + sum(drops(chain.statistics[stage]) for stage in curates(chain))


@pytest.mark.parametrize(
    ("selection", "stage", "codec"),
    [
        (
            {"method": "SelfAssessment", "threshold": 0, "minSamples": 1},
            "i1/assess",
            SCORES,
        ),
        (
            {"method": "DensityPerplexity", "density": {"clusters": 5}, "minSamples": 1},
            "i1/measure",
            MEASURES,
        ),
    ],
    ids=["assessed", "measured"],
)
@pytest.mark.parametrize("recipe", ["SelfInstruct", "Alpaca"])
def test_pairs_of_any_recipe_can_be_judged(
    recipe, selection, stage, codec, done, make, tmp_path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(done(recipe).folder, store, symlinks=True)
    chain = make(recipe, store, selection=selection)
    chain.run(until="i1/train")
    pairs = rows(chain, PAIRS, "i1/instantiate" if recipe == "SelfInstruct" else curates(chain)[-1])
    assert [row.id for row in rows(chain, codec, stage)] == [pair.id for pair in pairs]
    assert chain.statistics["i1/select"]["kept"] > 0


@pytest.mark.parametrize("stage", ["i1/classify", "i1/instantiate"])
def test_a_disturbed_stage_leaves_the_same_bytes(stage, done, make, forker, tmp_path) -> None:
    whole = done("SelfInstruct")
    store = tmp_path / "store"
    shutil.copytree(whole.folder, store, symlinks=True)
    chain = make("SelfInstruct", store)
    chain.prepared, chain.statistics = whole.prepared, dict(whole.statistics)
    order = chain.step(stage)
    chain.uncommit(stage)
    ((code, result),) = forker.run({"order": order, "stop_at": 64})
    assert (code, result.reason) == (143, "Stopped")
    assert chain.artifacts.parts(order.steps[0].key) == [0]
    ((code, result),) = forker.run({"order": order, "kill_after": 0.05})
    assert forker.carry_out(order).outcome is Outcome.COMMITTED
    assert chain.content() == whole.content()
    chain.uncommit(stage)
    ends = forker.run({"order": order, "shard": [0, 2]}, {"order": order, "shard": [1, 2]})
    assert Outcome.COMMITTED in [result.outcome for _, result in ends]
    assert chain.content() == whole.content()


def test_isheep_run_makes_the_same(done, labelling_model_dir, templates, tmp_path) -> None:
    chain = done("SelfInstruct")
    document = {
        "apiVersion": "isheep.dev/v1alpha1",
        "kind": "SelfAlignmentRun",
        "metadata": {"name": "demo"},
        "spec": chain.spec.document() | {"promptsRef": {"name": "templates"}},
    }
    # What only I-SHEEP reads is refused here.
    document["spec"]["instructions"] = {"count": chain.spec.instructions.count}
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
    made = type(chain).content_of(store)
    assert made == chain.content()
    report = json.loads((store / "default/runs/demo/report.json").read_text())
    (iteration,) = report["iterations"]
    labels = [step["label"] for step in iteration["funnel"]]
    assert {"pairs instantiated", "pairs kept: D(t)"} <= set(labels)
