"""Runs that collapse, and runs that do not: do the guards warn about the first and not the second?

    python benchmarks/collapse_runs.py [--seeds 3] [--iterations 6] [--folder FOLDER]

Nothing is simulated here: `isheep run` executes each run with the tiny chat model of the tests, and
all default rules look at it. The seed tasks are from the grammar that the model was trained on, so
the loss on the yardstick and the answers to it mean something. The collapse has natural causes.
Each model is trained on its predecessor's own texts of low temperature, with a high learning rate,
without deduplication, and the self-scores select. The other runs start each training from M(0),
sample at temperature 1, deduplicate, and train with the learning rate of the tests.

Whether a run has collapsed is decided without the guards, by the grammar. The answers of M(T) have
collapsed if each place of a sentence has half as many different words as in the answers of M(0)
(2 to the power of the entropy), or if half as many answers are sentences of the grammar. This
definition and the limits of the guards were fixed before the first run. The temperature of the
responses was lowered once, from 0.5 to 0.2: at 0.5, M(2) had lost only a fifth of the words.

The benchmark prints a table, and the first alarm of each run. It exits with 1 if a run that should
collapse does not, or has no alarm, or if another run has an alarm. With `--folder`, the runs are
kept there, and a second call continues them.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e_local.command import TINY_SPEC, start, write_run
from tests.e2e_local.tiny_chat_model import (
    ADJECTIVES,
    NOUNS,
    PLACES,
    reply,
    task,
    tiny_chat_model,
)

from isheep.contract.store_spec import parse_store_uri
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep_worker.rows.schema import EVALUATIONS, EvaluationRow

SEED_TASKS = 200
INSTRUCTIONS = 320
LEAST_SENTENCES = 30
"""With fewer sentences of the grammar among the answers, the words of a place are not counted."""

_WORDS = "|".join(ADJECTIVES.split())
SENTENCE = re.compile(
    rf"The ({_WORDS}) ({'|'.join(NOUNS.split())}) ({'|'.join(PLACES)}) are ({_WORDS})\."
)

COMMON: dict[str, Any] = {
    **TINY_SPEC,
    "seedTasks": {"storageUri": ""},
    "storage": {"folder": {"path": "store"}},
    "selection": {"threshold": 5, "minSamples": 1},
    "yardstick": {"items": SEED_TASKS, "maxTokens": 32},
}
COLLAPSING: dict[str, Any] = {
    "instructions": {
        "count": INSTRUCTIONS,
        "examplesPerPrompt": 2,
        "maxRounds": 100,
        "sampling": {"temperature": 0.5, "maxTokens": 400},
    },
    "curation": {"deduplication": {"maxRougeL": 1.0}},
    "responses": {"sampling": {"temperature": 0.2, "maxTokens": 32}},
    "training": {
        "startFrom": "Previous",
        "data": "Latest",
        "effectiveBatchSize": 16,
        "numTrainEpochs": 3,
        "learningRate": 0.01,
        "warmupSteps": 1,
        "maxLength": 128,
    },
}
HEALTHY: dict[str, Any] = {
    "instructions": {
        "count": INSTRUCTIONS,
        "examplesPerPrompt": 2,
        "maxRounds": 100,
        "sampling": {"temperature": 1.0, "maxTokens": 400},
    },
    "responses": {"sampling": {"temperature": 1.0, "maxTokens": 32}},
    "training": {
        "startFrom": "Base",
        "effectiveBatchSize": 16,
        "numTrainEpochs": 2,
        "learningRate": 0.001,
        "warmupSteps": 1,
        "maxLength": 128,
    },
}
KINDS = {"collapsing": COLLAPSING, "healthy": HEALTHY}


@dataclass(frozen=True)
class Answers:
    """What the grammar says about the answers of a model.

    `sentences` is the share of answers that are sentences of the grammar. `words` is the effective
    number of words in each place of these sentences, the geometric mean over the places; None if
    there are too few sentences. `different` is the share of different answers.
    """

    sentences: float
    words: float | None
    different: float
    loss: float

    def collapsed_from(self, base: Answers) -> bool:
        """Return whether these answers have collapsed, compared with those of M(0)."""
        if self.sentences < base.sentences / 2:
            return True
        return None not in (self.words, base.words) and (self.words or 0) < (base.words or 0) / 2


@dataclass(frozen=True)
class Found:
    """The models of a run by t, and the alarms of its newest verdict as (t, sentence)."""

    models: dict[int, Answers]
    alarms: list[tuple[int, str]]
    ending: str

    @property
    def collapsed(self) -> bool:
        """Whether the newest model has collapsed."""
        return self.models[max(self.models)].collapsed_from(self.models[0])


def answers_of(rows: Sequence[EvaluationRow]) -> Answers:
    """Return what the grammar says about answers."""
    texts = [row.response.strip() for row in rows]
    found = [match.groups() for text in texts if (match := SENTENCE.fullmatch(text))]
    losses = [row.loss for row in rows if row.loss is not None]
    entropies = [_entropy(place) for place in zip(*found, strict=True)]
    enough = len(found) >= LEAST_SENTENCES
    return Answers(
        len(found) / len(rows),
        2 ** (sum(entropies) / len(entropies)) if enough else None,
        len(set(texts)) / len(texts),
        sum(losses) / len(losses),
    )


def _entropy(words: Sequence[str]) -> float:
    shares = [count / len(words) for count in Counter(words).values()]
    return -sum(share * math.log2(share) for share in shares)


def write_seed_tasks(path: Path) -> None:
    """Write seed tasks of the grammar, in the columns of Alpaca; no two are equal."""
    rows: dict[str, str] = {}
    draw = random.Random("seed tasks of the collapse runs")
    while len(rows) < SEED_TASKS:
        rows.setdefault(task(draw), reply(draw))
    lines = (
        json.dumps({"instruction": instruction, "input": "", "output": output})
        for instruction, output in rows.items()
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def execute(kind: str, seed: int, iterations: int, folder: Path, model: Path) -> Found:
    """Execute a run, or what is missing of it, and return its models and alarms."""
    name = f"{kind}-{seed}"
    seeds = folder / "seeds.jsonl"
    spec = {**COMMON, **KINDS[kind], "iterations": iterations, "randomSeed": seed}
    spec["seedTasks"] = {"storageUri": f"file://{seeds}"}
    write_run(folder / f"{name}.yaml", spec, name)
    process = start(folder, model, "run", f"{name}.yaml")
    output, _ = process.communicate()
    ending = "complete" if process.returncode == 0 else output.strip().splitlines()[-1]
    shown = start(folder, model, "status", f"{name}.yaml", "-o", "json")
    keys = {one["id"]: one["key"] for one in json.loads(shown.communicate()[0])["stages"]}
    artifacts = ArtifactStore(open_store(parse_store_uri(str(folder / "store"))), "default")
    committed = {id_: key for id_, key in keys.items() if artifacts.manifest(key) is not None}
    models = {
        int(id_[1 : id_.index("/")]): answers_of(
            [EVALUATIONS.decode(line) for line in artifacts.read_lines(key)]
        )
        for id_, key in committed.items()
        if id_.endswith("/evaluate/yardstick")
    }
    return Found(models, list(_alarms(artifacts, committed, folder / f"{name}.verdict")), ending)


def _alarms(
    artifacts: ArtifactStore, keys: dict[str, str], path: Path
) -> Iterator[tuple[int, str]]:
    """Yield the t and the sentence of each alarm in the newest verdict."""
    verdicts = [id_ for id_ in keys if id_.endswith("/verdict")]
    if not verdicts:
        return
    newest = max(verdicts, key=lambda id_: int(id_[1 : id_.index("/")]))
    artifacts.read_file(keys[newest], "verdict.json", path)
    for alarm in json.loads(path.read_text("utf-8"))["alarms"]:
        yield int(alarm["iteration"]), str(alarm["sentence"])


def report(name: str, found: Found) -> None:
    """Print what a run has shown."""
    state = "collapsed" if found.collapsed else "did not collapse"
    print(f"\n{name}: {found.ending}; {state}; {len(found.alarms)} alarms")
    print("   t   loss  words in a place  sentences  different  rules with an alarm")
    for t, one in sorted(found.models.items()):
        rules = ", ".join(sentence.split(":")[0] for at, sentence in found.alarms if at == t)
        words = "–" if one.words is None else f"{one.words:.2f}"
        print(
            f"  {t:2}  {one.loss:5.2f}  {words:>16}  {one.sentences:9.0%}  {one.different:9.0%}  "
            f"{rules}"
        )
    if found.alarms:
        print(f"  first alarm, t = {found.alarms[0][0]}: {found.alarms[0][1]}", flush=True)


def main() -> int:
    """Execute all runs, print what they show, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3, help="runs of each kind")
    parser.add_argument("--iterations", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="keep the runs here")
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    chosen = parser.parse_args()
    model = tiny_chat_model()
    missed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = (chosen.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        write_seed_tasks(folder / "seeds.jsonl")
        for seed in range(1, chosen.seeds + 1):
            for kind in chosen.kinds:
                found = execute(kind, seed, chosen.iterations, folder, model)
                report(f"{kind}, random seed {seed}", found)
                wanted = kind == "collapsing"
                missed |= found.collapsed is not wanted or bool(found.alarms) is not wanted
    print("\nMISSED" if missed else "\nall runs that collapsed, and only they, have an alarm")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
