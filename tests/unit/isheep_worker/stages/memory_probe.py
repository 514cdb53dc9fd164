"""Runs stages over many items and prints their peak memory as JSON. A test starts this program.

Arguments: the number of items, an empty folder for the stores, and the folder of a model. Engine
and loss model are fakes, because the limit of the memory does not include the model. Each stage
runs over a few items first, so that all imports are in memory. Then each stage runs twice, each
time in a fork of this process: over `LESS` items, which fill the batches and buffers whose sizes do
not depend on the number of items, and over all items. Forks share the imports, which take longer
than the stages. OMP_NUM_THREADS has to be 1: a fork has no threads of its parent.
"""

from __future__ import annotations

import gc
import json
import os
import random
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from isheep.contract.order import RunRef, Sources, StageOrder, StageResult, Step
from isheep.contract.store_spec import parse_store_uri
from isheep.recipes import settings as s
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.execution import engine_provider
from isheep_worker.inputs.seed_tasks import default_seed_bytes
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.measures import loss_model
from isheep_worker.measures.texts import TextMeasure, TokenText
from isheep_worker.measures.vectors import encode_vector
from isheep_worker.process.worker import Worker
from isheep_worker.rows.schema import (
    COMPLETIONS,
    INSTRUCTIONS,
    MEASURES,
    PAIRS,
    SCORES,
    CompletionRow,
    InstructionRow,
    LevelScore,
    MeasureRow,
    PairRow,
    ScoreRow,
)
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag
from isheep_worker.templates.library import VARIABLES, TemplateLibrary
from isheep_worker.templates.prompting import chat_format_digest, dump_templates, resolve_prompting

COUNT, FOLDER, MODEL = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
FEW = 100
LESS = 2_000
"""More items than any batch of a stage has."""
RUN = RunRef(namespace="default", name="demo", uid="u")
WORDS = [f"word{number}" for number in range(50_000)]
SAMPLING = s.Sampling(temperature=1.0, top_p=1.0, max_tokens=200)
RESPONSE = " ".join(WORDS[:150])
VECTORS = np.random.default_rng(0).normal(size=(32, 4096)).astype(np.float32)


class EchoEngine:
    """Completes each request at once with the text of a long response."""

    max_in_flight = 256
    independent_requests = True

    def __init__(self, *_: object, **__: object) -> None:
        self._waiting: list[Request] = []

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def submit(self, group: Sequence[Request]) -> None:
        self._waiting += group

    def poll(self) -> list[Completion]:
        done, self._waiting = self._waiting, []
        return [Completion(r.id, RESPONSE, "stop", len(r.prompt_token_ids), 200) for r in done]

    def close(self) -> None:
        self._waiting = []


class ConstantLossModel:
    """Returns equal losses for all texts, and a vector with the width of a large model."""

    tokens_at_once = 0

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def measure(self, texts: Sequence[TokenText]) -> list[TextMeasure]:
        return [TextMeasure(1.0, 1.0, VECTORS[len(text) % len(VECTORS)]) for text in texts]

    def close(self) -> None:
        pass


def instruction(number: int) -> str:
    return " ".join(random.Random(number).choices(WORDS, k=15))


def instructions(count: int) -> Iterator[bytes]:
    for i in range(count):
        yield INSTRUCTIONS.encode(InstructionRow(f"i1-r1-c{i:05d}-p1", instruction(i), "", 1, i, 1))


def completions(count: int) -> Iterator[bytes]:
    for i in range(count):
        # The rules drop every second task as too short: comparing all tasks takes a minute.
        task = instruction(i) if i % 2 else "Do it."
        text = f" {task}\n6. Input:\n{RESPONSE}\n###\n"
        yield COMPLETIONS.encode(CompletionRow(1, i, text, "stop", 700, 200, ("a", "b")))


def pairs(count: int) -> Iterator[bytes]:
    for i in range(count):
        row = PairRow(f"i1-r1-c{i:05d}-p1", instruction(i), "", RESPONSE, "stop", 20, 200)
        yield PAIRS.encode(row)


def answers(count: int) -> Iterator[bytes]:
    for i in range(count):
        row = PairRow(f"i1-r1-c{i:05d}-p1", f"Say {'a' * (i % 32)}.", "", "No.", "stop", 9, 3)
        yield PAIRS.encode(row)


def measures(count: int) -> Iterator[bytes]:
    encoded = [encode_vector(vector) for vector in VECTORS]
    for i in range(count):
        vector = encoded[i % len(encoded)]
        yield MEASURES.encode(
            MeasureRow(f"i1-r1-c{i:05d}-p1", None, None, 1.0, 1.0, 200, 220, vector)
        )


def scores(count: int) -> Iterator[bytes]:
    for i in range(count):
        level = LevelScore(float(i % 10 + 1), raw="8||Because it says so.")
        row = ScoreRow(f"i1-r1-c{i:05d}-p1", None, {"Quality": level, "Following": level})
        yield SCORES.encode(row)


def commit(artifacts: ArtifactStore, key: str, lines: Iterator[bytes]) -> None:
    part, chunk = 0, []
    for line in lines:
        chunk.append(line)
        if len(chunk) == 64:
            artifacts.write_part(key, part, chunk)
            part, chunk = part + 1, []
    if chunk:
        artifacts.write_part(key, part, chunk)
        part += 1
    now = datetime.now(UTC)
    manifest = Manifest(
        key=key,
        stage=StageInfo(kind="x", version=1, id="x", iteration=1),
        parts=tuple(artifacts.collect_parts(key, part)),
        timings=Timings(started_at=now, finished_at=now),
        run=RUN,
    )
    artifacts.commit(key, manifest)


ROLES = {
    "curate": {"completions": completions},
    "respond": {"instructions": instructions},
    "select": {"pairs": pairs, "scores": scores},
    "measure": {"pairs": answers},
    "density": {"pairs": pairs, "measures": measures},
}
"""The inputs of each stage; `density` is a select."""


def settings(kind: str, inputs: Inputs, count: int) -> s.StageSettings:
    if kind == "curate":
        return s.CurateSettings(
            count=count,
            examples_per_prompt=5,
            language="en",
            rules="ISheep",
            drop_last="IfCut",
            deduplication=s.DeduplicationSettings(max_rouge_l=0.7, pool="Iteration"),
            seed_tasks=inputs.put(default_seed_bytes()),
        )
    if kind == "select":
        return s.SelectSettings(
            method="SelfAssessment", random_seed=0, levels=("Quality", "Following"), threshold=8
        )
    if kind == "density":
        return s.SelectSettings(method="Density", random_seed=0, clusters=16)
    model = s.ModelSettings(
        base_model="0" * 64,
        engine="Transformers",
        dtype="float32",
        max_model_length=4096,
        chat_format=chat_format_digest(resolve_prompting(MODEL).chat_format),
    )
    if kind == "measure":
        return s.MeasureSettings(
            model=model,
            prompt_format="Raw",
            vectors=True,
            language="en",
            rules="ISheep",
            templates=inputs.put(dump_templates(TemplateLibrary(), VARIABLES)),
        )
    return s.RespondSettings(
        model=model,
        random_seed=0,
        prompt_format="Raw",
        sampling=SAMPLING,
        templates=inputs.put(dump_templates(TemplateLibrary(), VARIABLES)),
    )


def run_stage(name: str, count: int, folder: Path) -> StageResult:
    roles = ROLES[name]
    kind = "select" if name == "density" else name
    store = FolderStore(folder)
    artifacts = ArtifactStore(store, "default")
    keys = {role: f"{index:064d}" for index, role in enumerate(roles, start=1)}
    for role, lines in roles.items():
        commit(artifacts, keys[role], lines(count))
    step = Step(
        id=f"i1/{kind}",
        kind=kind,
        version=STAGE_VERSIONS[StageKind(kind)],
        key="f" * 64,
        iteration=1,
        round=1,
        settings=settings(name, Inputs(store, "default"), count).canonical(),
        inputs={role: (key,) for role, key in keys.items()},
        items=count,
    )
    order = StageOrder(
        run=RUN,
        store=parse_store_uri(str(folder)),
        sources=Sources(model=str(MODEL)),
        steps=(step,),
    )
    return Worker(StopFlag(), Meter(), Progress(lambda _: None), Shard()).run(order)


def report(name: str, count: int) -> dict[str, Any]:
    """Run a stage; the result's `peak` is the peak memory in bytes."""
    result = run_stage(name, count, FOLDER / f"{count}-{name}")
    statistics = dict(result.steps[0].statistics) if result.steps else {}
    return {
        "stage": name,
        "items": count,
        "exitCode": result.exit_code,
        "peak": peak_memory(),
        "statistics": statistics,
    }


def main() -> None:
    engine_provider.open_engine = EchoEngine  # type: ignore[assignment]
    loss_model.LossModel = ConstantLossModel  # type: ignore[assignment,misc]
    for name in ROLES:
        run_stage(name, FEW, FOLDER / f"few-{name}")
    gc.collect()
    for name in ROLES:
        for count in (LESS, COUNT):
            if (child := os.fork()) == 0:
                sys.stdout.write(json.dumps(report(name, count)) + "\n")
                sys.stdout.flush()
                os._exit(0)
            os.waitpid(child, 0)


def peak_memory() -> int:
    """Return this program's peak memory in bytes; `ru_maxrss` includes that of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024


# The store syncs each object to disk, which takes time and needs no memory.
os.fsync = lambda _: None  # type: ignore[assignment]
main()
