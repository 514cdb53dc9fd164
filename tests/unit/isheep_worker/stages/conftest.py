"""Fixtures of complete runs on tiny models: a driver of a few lines, and the worker."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.order import RunRef, Sources, StageOrder, StageResult, Step
from isheep.contract.prepared import Prepared
from isheep.contract.store_spec import parse_store_uri
from isheep.planner.walk import Walk, walk
from isheep.recipes.interface import Statistics
from isheep.recipes.registry import RECIPES
from isheep.recipes.stage_kinds import STAGE_VERSIONS
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore

VERSIONS = {str(kind): version for kind, version in STAGE_VERSIONS.items()}

SPEC: dict[str, Any] = {
    "recipe": "ISheep",
    "iterations": 1,
    "engine": {"type": "Transformers"},
    "instructions": {"count": 70, "examplesPerPrompt": 2, "sampling": {"maxTokens": 40}},
    "curation": {"rules": "None", "deduplication": {"maxRougeL": 1.0}},
    "responses": {"sampling": {"maxTokens": 24}},
    "assessment": {
        "rubric": "Simple",
        "decoding": "Constrained",
        "sampling": {"maxTokens": 24, "temperature": 1.0},
    },
    "selection": {"threshold": 2, "minSamples": 1},
    "training": {
        "effectiveBatchSize": 4,
        "numTrainEpochs": 2,
        "maxLength": 128,
        "warmupSteps": 1,
        "learningRate": 0.001,
    },
}
DENSITY = {"method": "Density", "density": {"clusters": 20}, "minSamples": 1}


def order_for(
    store: Path, model: Path, step: Step, sources: Mapping[str, Any] | None = None
) -> StageOrder:
    return StageOrder(
        run=RunRef(namespace="default", name="demo", uid="uid-1"),
        store=parse_store_uri(str(store)),
        sources=Sources(model=f"file://{model}", **(sources or {})),
        stage_versions=VERSIONS,
        steps=(step,),
    )


WORD, SPACE, NEWLINE, LABEL, ASK, ANSWER, END = range(7)
LABELS = {"Instruction:": 0.1, "Input:": 0.16, "Output:": 0.24, "9. ": 0.44}
ANSWERS = ("Yes", "No")


class RunDriver:
    """Executes the stages of a run in order, as a driver does, but without retries and status."""

    def __init__(
        self,
        store: Path,
        model: Path,
        run_order: Callable[[StageOrder], StageResult],
        sources: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        self._sources = sources
        document: dict[str, Any] = copy.deepcopy(SPEC) | {
            "model": {"storageUri": f"file://{model}"}
        }
        for path, value in changes.items():
            *parents, leaf = path.split("__")
            member = document
            for name in parents:
                member = member.setdefault(name, {})
            member[leaf] = value
        self.spec = SelfAlignmentRunSpec.read(document)
        self.folder = store
        self.artifacts = ArtifactStore(FolderStore(store), "default")
        self.model = model
        self.execute = run_order
        self.prepared: Prepared | None = None
        self.statistics: dict[str, Statistics] = {}
        self.results: dict[str, StageResult] = {}

    def walk(self) -> Walk:
        return walk(
            RECIPES[self.spec.recipe],
            self.spec,
            self.prepared,
            VERSIONS,
            lambda stage, _key: self.statistics.get(stage.id),
        )

    def key(self, stage: str) -> str:
        return self.walk().keys[stage]

    def next_order(self) -> StageOrder | None:
        """Return the order of the first stage that is not committed, or None if there is none."""
        walked = self.walk()
        assert walked.end.failure is None, walked.end.failure
        for stage in walked.stages:
            if stage.id not in self.statistics:
                step = Step(
                    id=stage.id,
                    kind=str(stage.kind),
                    version=VERSIONS[str(stage.kind)],
                    key=walked.keys[stage.id],
                    iteration=stage.iteration,
                    round=stage.round,
                    settings=stage.settings.canonical(),
                    inputs={
                        role: tuple(walked.keys[i] for i in ids)
                        for role, ids in stage.inputs.items()
                    },
                    items=stage.items,
                )
                return order_for(self.folder, self.model, step, self._sources)
        assert walked.end.complete
        return None

    def step(self, stage: str) -> StageOrder:
        """Return the order of a stage, which may be committed already."""
        committed = self.statistics.copy()
        for name in list(self.statistics)[list(self.statistics).index(stage) :]:
            del self.statistics[name]
        order = self.next_order()
        self.statistics = committed
        assert order is not None
        return order

    def uncommit(self, stage: str) -> None:
        """Remove the artifact of a stage."""
        shutil.rmtree(self.folder / "default/stages" / self.key(stage))

    def record(self, result: StageResult) -> None:
        """Record the result of a committed stage."""
        (step,) = result.steps
        self.statistics[step.id] = step.statistics
        self.results[step.id] = result
        self.prepared = result.prepared or self.prepared

    def run(self, until: str | None = None) -> None:
        """Run to the end, or until the next stage has an id that begins with `until`."""
        while (order := self.next_order()) is not None:
            if until is not None and order.steps[0].id.startswith(until):
                return
            result = self.execute(order)
            assert result.exit_code == 0, f"{order.steps[0].id}: {result}"
            self.record(result)

    def content(self) -> dict[str, bytes]:
        """Return the bytes of all parts and files, except those with times and the report's."""
        return self.content_of(self.folder)

    @staticmethod
    def content_of(folder: Path) -> dict[str, bytes]:
        """Return the same content of another store folder."""
        left_out = ("/manifest.json", "log.jsonl.zst", ".html", "/report.json", ".jsonl.gz")
        store = FolderStore(folder)
        return {
            info.key: store.get(info.key)
            for info in store.list("default/stages/")
            if not info.key.endswith(left_out)
        }


class ForkServer:
    """Starts `fork_server.py` and sends jobs to it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )

    def run(self, *jobs: dict[str, Any]) -> list[tuple[int, StageResult | None]]:
        documents = [
            {"shard": [0, 1]} | job | {"order": job["order"].model_dump(mode="json")}
            for job in jobs
        ]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(documents) + "\n")
        self._process.stdin.flush()
        return [
            (code, result and StageResult.model_validate(result))
            for code, result in json.loads(self._process.stdout.readline())
        ]

    def run_order(self, order: StageOrder) -> StageResult:
        ((_, result),) = self.run({"order": order})
        assert result is not None
        return result

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    client = ForkServer()
    yield client
    client.close()


@pytest.fixture(scope="session")
def short_text_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny model whose texts end after a few tokens.

    All embeddings get the same component in one direction, so each hidden state has it too. The
    end-of-turn token gets a larger component than the other tokens, so it is more likely.
    """
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("brief") / "model"
    shutil.copytree(tiny_model_dir, folder)
    tensors = load_file(folder / "model.safetensors")
    embeddings = tensors["model.embed_tokens.weight"]
    embeddings[:, 0] += 0.2
    embeddings[AutoTokenizer.from_pretrained(folder).eos_token_id, 0] += 0.6
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def formatted_text_model_dir(
    tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A tiny model that writes random text in the formats that the recipes' parsers read.

    Its next token depends only on the kind of the last token: the layers add nothing, so the hidden
    state is the last token's embedding, which encodes the kind. The output layer has a fixed
    distribution of the next token for each kind. Each label is a single token.
    """
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("labelling")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    tokenizer.add_tokens([*LABELS, *ANSWERS])
    ids = tokenizer.convert_tokens_to_ids
    letters, space, newline = ids(list("abcdefghijklmnopqrst")), ids("\u0120"), ids("\u010a")
    kinds = {
        SPACE: [space],
        NEWLINE: [newline],
        LABEL: ids([*LABELS]),
        ASK: ids([":"]),
        ANSWER: ids([*ANSWERS]),
        END: [tokenizer.eos_token_id],
    }
    followers = (
        (WORD, letters, 0.3),
        (WORD, [space], 0.5),
        (WORD, [newline], 0.11),
        (WORD, [tokenizer.eos_token_id], 0.02),
        (WORD, ids([*ANSWERS]), 0.07),
        (SPACE, letters, 1.0),
        (NEWLINE, letters, 0.06),
        *((NEWLINE, ids([label]), share) for label, share in LABELS.items()),
        (LABEL, letters, 1.0),
        (ASK, ids(["Yes"]), 1.0),
        (ANSWER, [newline], 1.0),
    )
    save_model_of_kinds(tiny_model_dir, folder, tokenizer, kinds, followers)
    return folder


def save_model_of_kinds(
    base: Path,
    folder: Path,
    tokenizer: Any,
    kinds: Mapping[int, Sequence[int]],
    followers: Iterable[tuple[int, Sequence[int], float]],
) -> None:
    """Save a model whose next token depends only on the kind of the last token.

    Args:
        base: The folder of the model whose configuration is used.
        folder: The folder for the model and its tokenizer.
        tokenizer: The tokenizer.
        kinds: The ids of each kind of tokens; all other tokens are of the kind 0.
        followers: After a kind, these ids follow, together with this share.
    """
    import math

    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    tokenizer.save_pretrained(folder)
    config = LlamaConfig.from_pretrained(base, vocab_size=len(tokenizer), tie_word_embeddings=False)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    kind_of = torch.zeros(len(tokenizer))
    for kind, tokens in kinds.items():
        kind_of[list(tokens)] = kind
    shares = torch.full((1 + max(kinds), len(tokenizer)), 1e-6)
    for kind, tokens, share in followers:
        shares[kind, list(tokens)] = share / len(tokens)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.zero_()
        model.get_input_embeddings().weight.zero_()
        model.get_output_embeddings().weight.zero_()
        norm = math.sqrt(config.hidden_size)
        for kind in range(len(shares)):
            model.get_input_embeddings().weight[kind_of == kind, kind] = 1.0
            model.get_output_embeddings().weight[:, kind] = shares[kind].log() / norm
    model.save_pretrained(folder)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep stages that run in this process offline, as those in forked processes are."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def finished_run(
    fork_server: ForkServer, short_text_model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunDriver:
    """A complete run of one iteration without interruptions. Tests only read it."""
    driver = RunDriver(
        tmp_path_factory.mktemp("store"), short_text_model_dir, fork_server.run_order
    )
    driver.run()
    return driver


@pytest.fixture
def copied_run(
    finished_run: RunDriver, short_text_model_dir: Path, fork_server: ForkServer, tmp_path: Path
) -> RunDriver:
    """A copy of the complete run, which a test may change."""
    driver = RunDriver(tmp_path / "copy", short_text_model_dir, fork_server.run_order)
    shutil.copytree(finished_run.folder, driver.folder, symlinks=True)
    driver.prepared, driver.statistics = finished_run.prepared, dict(finished_run.statistics)
    return driver


@pytest.fixture(scope="session")
def clustered_run(
    finished_run: RunDriver,
    fork_server: ForkServer,
    short_text_model_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> RunDriver:
    """A run that selects by density, up to its training; it adopts pairs. Tests only read it."""
    store = tmp_path_factory.mktemp("clustered") / "store"
    shutil.copytree(finished_run.folder, store, symlinks=True)
    driver = RunDriver(store, short_text_model_dir, fork_server.run_order, selection=DENSITY)
    driver.run(until="i1/train")
    return driver


@pytest.fixture
def clustered_copy(
    clustered_run: RunDriver, short_text_model_dir: Path, fork_server: ForkServer, tmp_path: Path
) -> RunDriver:
    """A copy of the run that selects by density, which a test may change."""
    driver = RunDriver(
        tmp_path / "measured", short_text_model_dir, fork_server.run_order, selection=DENSITY
    )
    shutil.copytree(clustered_run.folder, driver.folder, symlinks=True)
    driver.prepared, driver.statistics = clustered_run.prepared, dict(clustered_run.statistics)
    return driver


@pytest.fixture(scope="session")
def make_driver(short_text_model_dir: Path) -> Callable[..., RunDriver]:
    """Returns a function that makes a `RunDriver` for a store folder and a function for orders."""

    def make(
        store: Path,
        run_order: Callable[[StageOrder], StageResult],
        model: Path = short_text_model_dir,
        **more: Any,
    ) -> RunDriver:
        return RunDriver(store, model, run_order, **more)

    return make
