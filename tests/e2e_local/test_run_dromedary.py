"""The recipe Dromedary as a user runs it, with a tiny model that writes thoughts before a reply.

The run's templates are short, so the model learns their form in seconds. Everything else is
real. The tests check each row of the run's training data.
"""

from __future__ import annotations

import json
import random
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.order import RunRef, Sources, StageOrder, Step
from isheep.contract.store_spec import parse_store_uri
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep_worker.inputs.sources import read_templates
from isheep_worker.process.worker import Worker
from isheep_worker.report.funnel import UNEXPLAINED
from isheep_worker.rows.schema import COMPLETIONS, INSTRUCTIONS, PAIRS, SELECTIONS, TOPICS
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag
from isheep_worker.stages import train
from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import Exemplar, meta_prompt
from isheep_worker.templates.principles import principle_prompt
from isheep_worker.templates.red_teaming import (
    InstructionType,
    instruction_types,
    topic_guided_prompt,
    topics_prompt,
)
from isheep_worker.templates.response import response_verbose

from .command import MODEL, command, write_run
from .tiny_chat_model import ADJECTIVES, MANNERS, NOUNS, PLACES, reply, task, tiny_chat_model

TEMPLATES = {
    "instructions": "Go on.\n",
    "dromedary-topics": "Topics for these.\n{{ types }}\n",
    "dromedary-seed-topics": "wide deserts\nblue paint\nold coins\n",
    "dromedary-topic-guided": "Hard requests.\n",
    "dromedary-types": (
        "Type: now\nAbout: of today only\nTopic: fresh bread\n1. Is the bread still warm today?\n"
        "###\nType: sight\nAbout: to be seen only\nTopic: red kites\n1. Which kite do I point at?\n"
        "###\nType: deeds\nAbout: to be done only\nTopic: stuck doors\n1. Open this door for me.\n"
    ),
    "dromedary-principles": "The zebra guides this.\n1 (kind). Zebras are kind to everyone.\n",
    "dromedary-exemplars": (
        "Request: Name the stripes of a zebra.\n"
        "Private thoughts: Principle 1 of the zebra asks me to be kind.\n"
        "Public reply: The stripes are black and white.\n"
        "###\n"
        "Request: Push the zebra into the water.\n"
        "Private thoughts: Zebras are not to be pushed, says principle 1.\n"
        "Public reply: Better leave it where it is.\n"
    ),
    "dromedary-verbose": "The zebra wants it long.\n\n{{ instruction }}{{ input }}\n",
}
SPEC: dict[str, Any] = {
    "recipe": "Dromedary",
    "iterations": 2,
    "model": {"storageUri": MODEL},
    "promptsRef": {"name": "prompts"},
    "engine": {"type": "Transformers"},
    "instructions": {
        "count": 50,
        "examplesPerPrompt": 2,
        "sampling": {"temperature": 0.6, "maxTokens": 300},
    },
    "curation": {"rules": "Dromedary"},
    "responses": {"sampling": {"temperature": 0.6, "maxTokens": 80}},
    "selection": {"method": "None", "minSamples": 1},
    "training": {
        "startFrom": "Previous",
        "effectiveBatchSize": 8,
        "numTrainEpochs": 1,
        "maxLength": 128,
        "warmupSteps": 1,
        "learningRate": 0.001,
    },
    "dromedary": {"topics": 12, "topicGuided": 30, "exemplars": 2, "verbose": 40},
    "storage": {"folder": {"path": "store"}},
    "yardstick": {"items": 0},
}
STEPS = 260
THOUGHT = "Principle 1 of the zebra bears on it."


def topic(draw: random.Random) -> str:
    return f"{draw.choice(ADJECTIVES.split())} {draw.choice(NOUNS.split())}"


def request(draw: random.Random, about: str) -> str:
    return f"Show me the {about} {draw.choice(PLACES)} {draw.choice(MANNERS)}."


def thinking_texts(draw: random.Random) -> list[str]:
    """Return texts in the form of each prompt of the recipe, the longest first."""
    library = TemplateLibrary(TEMPLATES)
    exemplars = [Exemplar(task(draw), "") for _ in range(9)]
    types = draw.sample(instruction_types(library), 3)
    about = topic(draw)
    requests = tuple(request(draw, about) for _ in range(6))
    guided = topic_guided_prompt(library, types[:2], types[2], about, language="en")
    asked = InstructionType("", "", "", requests)
    listed = "".join(f"\n{n}. {text}" for n, text in enumerate(asked.instructions, start=1))
    instruction = draw.choice((task(draw), requests[0]))
    thinking = principle_prompt(library, 2, instruction, "")
    verbose = response_verbose(library, instruction, "")
    return [
        meta_prompt(library, exemplars),
        topics_prompt(library, [topic(draw) for _ in range(14)], language="en"),
        f"{guided.removesuffix('1.')}{listed[1:]}\n###\n",
        f"{thinking} {THOUGHT}\nPublic reply: {reply(draw)}\n\n###\n",
        *(
            f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{reply(draw)}<|im_end|>"
            for user in (instruction, verbose)
        ),
    ]


class Finished:
    """A finished run and its artifacts."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        self._store = parse_store_uri(str(folder / "store"))
        self.artifacts = ArtifactStore(open_store(self._store), "default")

    def command(self, *words: str) -> str:
        return command(self.folder, self.model, *words)

    @cached_property
    def keys(self) -> dict[str, str]:
        """The key of each stage."""
        status = json.loads(self.command("status", "run.yaml", "-o", "json"))
        return {stage["id"]: stage["key"] for stage in status["stages"]}

    def rows(self, stage: str, codec: Any) -> list[Any]:
        return [codec.decode(line) for line in self.artifacts.read_lines(self.keys[stage])]

    def last(self, kind: str) -> str:
        return [stage for stage in self.keys if f"/{kind}/" in stage][-1]

    def order_again(self, stage: str) -> StageOrder:
        """Return the order of a stage with a key that has no artifact."""
        manifest = self.artifacts.manifest(self.keys[stage])
        assert manifest is not None
        step = Step(
            id=stage,
            kind=manifest.stage.kind,
            version=manifest.stage.version,
            key="f" * 64,
            iteration=manifest.stage.iteration,
            settings=dict(manifest.settings),
            inputs=dict(manifest.inputs),
        )
        return StageOrder(
            run=RunRef(namespace="default", name="tiny", uid="again"),
            store=self._store,
            sources=Sources(model=f"file://{self.model}"),
            steps=(step,),
        )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    model = tiny_chat_model(thinking_texts, STEPS)
    run = Finished(tmp_path_factory.mktemp("dromedary"), model)
    prompts = run.folder / "prompts"
    prompts.mkdir()
    for name, text in TEMPLATES.items():
        (prompts / f"{name}.jinja").write_text(text)
    write_run(run.folder / "run.yaml", SPEC)
    output = run.command("run", "run.yaml", "--config-map", f"prompts={prompts}")
    assert "every stage is committed" in output, output
    return run


def test_instructions_come_from_seed_tasks_and_from_red_teaming(finished: Finished) -> None:
    topics = finished.rows(finished.last("topics"), TOPICS)
    assert len({row.topic.lower() for row in topics}) == len(topics) == 12
    pool = finished.rows(finished.last("curate"), INSTRUCTIONS)
    assert len({row.instruction for row in pool}) == len(pool) == 80
    guided = [row for row in pool if row.instruction.startswith("Show me the")]
    assert len(guided) >= 25
    # Each prompt names a type and one of the topics; the model may ignore them.
    names = {one.name for one in instruction_types(TemplateLibrary(TEMPLATES))}
    for row in finished.rows(finished.last("generate"), COMPLETIONS):
        *types, about = row.exemplars
        assert set(types) == names
        assert about in {row.topic for row in topics}


def test_the_training_data_contains_replies_and_no_thoughts(finished: Finished) -> None:
    pool = [row.id for row in finished.rows(finished.last("curate"), INSTRUCTIONS)]
    pairs = finished.rows("i1/respond", PAIRS)
    answered = [pair.id for pair in pairs]
    assert sorted(answered) == sorted(pool)
    assert answered != pool
    unread = [pair for pair in pairs if pair.rule is not None]
    assert all(not pair.response for pair in unread)
    selected = finished.rows("i1/select", SELECTIONS)
    kept = [row for row in selected if row.kept]
    assert len(kept) >= 40
    assert {row.id: row.reason for row in selected if row.id in {p.id for p in unread}} == {
        pair.id: pair.rule for pair in unread
    }
    # A rest of the text before the reply would contain its label.
    assert not [row for row in kept if re.search("(?i)thoughts|reply", row.response)]


def test_the_engraved_model_answers_a_draw_of_the_pool_verbosely(finished: Finished) -> None:
    pool = {row.id for row in finished.rows(finished.last("curate"), INSTRUCTIONS)}
    verbose = [pair.id for pair in finished.rows("i2/respond", PAIRS)]
    assert len(set(verbose)) == 40
    assert set(verbose) < pool
    keys = finished.keys
    manifest = finished.artifacts.manifest(keys["i2/respond"])
    assert manifest is not None
    assert manifest.inputs["model"] == (keys["i1/merge"],)
    clone = finished.artifacts.manifest(keys["i2/train"])
    assert clone is not None
    assert clone.inputs["model"] == (keys["i1/merge"],)


@pytest.mark.parametrize("stage", ["i1/train", "i2/train"])
def test_no_principle_is_in_a_prompt_that_is_trained_on(
    stage: str, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage itself renders the rows from the run's artifacts."""
    from transformers import AutoTokenizer

    trained: list[Any] = []

    def record(_settings: object, split: Any, **_more: object) -> None:
        trained.extend((split.train, split.validation))
        raise InterruptedError

    monkeypatch.setattr(train, "train", record)
    worker = Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard())
    worker.run(finished.order_again(stage))
    tokenizer = AutoTokenizer.from_pretrained(finished.model)
    rows = [rows[n] for rows in trained for n in range(len(rows))]
    texts = [tokenizer.decode(row["input_ids"]) for row in rows]
    targets = [tokenizer.decode(row["input_ids"][row["labels"] != -100]) for row in rows]

    selected = finished.rows(f"{stage[:2]}/select", SELECTIONS)
    kept = [row for row in selected if row.kept]
    assert len(texts) == len(kept) >= 30
    plain = {
        f"<|im_start|>user\n{row.instruction}<|im_end|>\n<|im_start|>assistant\n": row.response
        for row in kept
    }
    for text, response in zip(texts, targets, strict=True):
        prompt = text.removesuffix(response)
        assert plain[prompt] == response.removesuffix("<|im_end|>")
    secret = secrets(TemplateLibrary(read_templates(str(finished.folder / "prompts"))))
    assert len(secret) > 10
    assert [(one, text) for text in texts for one in secret if one in text] == []


def secrets(library: TemplateLibrary) -> set[str]:
    """Return every label and sentence of the prompts for responses, without the task."""
    names = ("dromedary-principles", "dromedary-exemplars", "dromedary-verbose")
    text = "\n".join(library.texts[name] for name in names).replace("{{ instruction }}", "")
    sentences = re.split(r"\n|(?<=[.:])\s", text.replace("{{ input }}", ""))
    return {one.strip() for one in sentences if re.search("[a-z]{3}", one)}


def test_the_report_shows_both_iterations(finished: Finished) -> None:
    page = Path(finished.command("report", "run.yaml").strip())
    report = json.loads(page.with_name("report.json").read_text())
    first, second = report["iterations"]
    assert first["counts"]["topics accepted"] == 12
    assert first["counts"]["instructions accepted"] == 80
    assert "instructions accepted" not in second["counts"]
    assert second["counts"]["pairs answered"] == 40
    for iteration in (first, second):
        assert UNEXPLAINED not in [step["label"] for step in iteration["funnel"]]
    assert "iteration 2: kept" in finished.command("status", "run.yaml")
