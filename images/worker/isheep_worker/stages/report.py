"""report: write the results of the run so far as one HTML page and one JSON file.

The report is made from the manifests of the stages that the order names, the training logs, the
scores, the assessor's first answers and the pairs of each iteration. A third file has all pairs of
the newest iteration, each with its decision. The files are the stage's artifact. A copy under the
run's name, with the keys of its stages, makes the newest report easy to find. If
another run has already committed the same report, the stage still writes these copies.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard

from isheep.contract.choices import EXPLANATIONS
from isheep.recipes.settings import ReportSettings
from isheep.store.documents import RunDocuments
from isheep.store.interface import NoSuchKeyError
from isheep.store.manifest import Manifest, Timings
from isheep_worker.constraints.satisfaction import SatisfiedShare, satisfied_shares
from isheep_worker.controls.drift import AssessorDrift, anchor_looks, assessor_drift
from isheep_worker.controls.validity import ControlFigures, control_figures
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.report.document import (
    ReportInput,
    SampleAnswer,
    TrainingStep,
    report_document,
)
from isheep_worker.report.explanations import AssessedPair, assessed_pairs
from isheep_worker.report.html import render
from isheep_worker.report.pairs import PairFigures, distance_of, pair_figures
from isheep_worker.report.scores import LevelFigures, level_figures
from isheep_worker.report.stage_figures import StageFigures, StageTime
from isheep_worker.rows.file_names import (
    PREPARE_TIMINGS_FILE,
    SAMPLE_ANSWERS_FILE,
    TRAINING_LOG_FILE,
)
from isheep_worker.rows.schema import SCORES, SELECTIONS, ScoreRow
from isheep_worker.yardstick.document import VERDICT_FILE

HTML_FILE = "report.html"
JSON_FILE = "report.json"
_COMPRESSION = 3


def run(context: StageContext[ReportSettings]) -> StageOutcome:
    """Write the page, its data and the file of pairs, commit them, and copy them to the run."""
    manifest = context.artifacts.manifest(context.step.key)
    if manifest is not None:
        _copy(context, {file.name: _read(context, file.name) for file in manifest.files})
        return StageOutcome(statistics=manifest.statistics)
    manifests = {role: _manifest(context, keys[0]) for role, keys in context.step.inputs.items()}
    document = report_document(_source(context, manifests))
    paths = {name: context.scratch / name for name in (HTML_FILE, JSON_FILE)}
    paths[HTML_FILE].write_text(render(document), encoding="utf-8")
    paths[JSON_FILE].write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
    name = pairs_file(context.step.iteration)
    if (context.scratch / name).exists():
        paths[name] = context.scratch / name
    files = [
        context.artifacts.write_file(context.step.key, name, path) for name, path in paths.items()
    ]
    _copy(context, paths)
    return commit(context, {"bytes": sum(file.bytes for file in files)}, files=files)


def pairs_file(iteration: int) -> str:
    """Return the name of the file with all pairs of an iteration, one JSON object a line."""
    return f"pairs-i{iteration}.jsonl.gz"


def _copy(context: StageContext[ReportSettings], files: Mapping[str, Path]) -> None:
    """Write the files and the keys of the report's stages under the run's name."""
    documents = RunDocuments(context.artifacts.store, context.order.run)
    for name, path in files.items():
        documents.write(name, path)
    keys = {stage: keys[0] for stage, keys in context.step.inputs.items()}
    documents.write_stages({**keys, context.step.id: context.step.key})


def _read(context: StageContext[ReportSettings], name: str) -> Path:
    path = context.scratch / name
    context.artifacts.read_file(context.step.key, name, path)
    return path


def _source(context: StageContext[ReportSettings], manifests: dict[str, Manifest]) -> ReportInput:
    by_kind: dict[str, dict[int, Manifest]] = {}
    for manifest in manifests.values():
        stage = manifest.stage
        by_kind.setdefault(stage.kind, {})[stage.iteration] = manifest
    # The first iteration of a run can end before its selection or its training.
    trained, selected = by_kind.get("train", {}), by_kind.get("select", {})
    latest = trained[max(trained)] if trained else list(manifests.values())[-1]
    merged = by_kind.get("merge", {}).get(max(trained, default=0))
    return ReportInput(
        run=context.order.run,
        settings=context.settings,
        stages=(*_prepare(context), *(stage_figures(manifest) for manifest in manifests.values())),
        training={t: _training(context, manifest) for t, manifest in trained.items()},
        pairs={t: _pairs(context, manifest) for t, manifest in selected.items()},
        pairs_files={t: pairs_file(t) for t in selected},
        scores={t: _scores(context, m) for t, m in by_kind.get("assess", {}).items()},
        controls={
            t: _controls(context, m, by_kind["assess"][t])
            for t, m in by_kind.get("controls", {}).items()
        },
        anchors={t: _anchors(context, m, by_kind) for t, m in by_kind.get("anchors", {}).items()},
        constraints={t: _constraints(context, manifest) for t, manifest in selected.items()},
        answers={
            t: _answers(context, m, selected[t])
            for t, m in by_kind.get("assess", {}).items()
            if t in selected
        },
        verdict=_verdict(context, by_kind.get("verdict", {})),
        samples=tuple(
            answer for t in sorted(trained) for answer in _samples(context, trained[t], t)
        ),
        environment=_environment(latest),
        model_bytes=_model_bytes(latest, merged),
        model_digest=next(filter(None, map(_base_model, manifests.values())), ""),
        store=context.order.store.uri,
        prices=context.order.runtime.gpu_prices,
    )


def _verdict(
    context: StageContext[ReportSettings], verdicts: Mapping[int, Manifest]
) -> dict[str, Any] | None:
    """Return the comparison of the models that the newest verdict has made, or None."""
    if not verdicts:
        return None
    newest = verdicts[max(verdicts)]
    path = context.scratch / VERDICT_FILE
    context.artifacts.read_file(newest.key, VERDICT_FILE, path)
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def _base_model(manifest: Manifest) -> str:
    """Return the digest of M(0) in the settings of a stage, or "" if the stage loads no model."""
    settings = manifest.settings
    return str(settings.get("baseModel") or settings.get("model", {}).get("baseModel", ""))


def _model_bytes(trained: Manifest, merged: Manifest | None) -> int | None:
    """Return the size of M(t)'s full weights in bytes, or None if no stage reported it."""
    if merged is not None:
        return int(merged.statistics["bytes"])
    size = trained.statistics.get("baseBytes")
    return None if size is None else int(size)


def _manifest(context: StageContext[ReportSettings], key: str) -> Manifest:
    manifest = context.artifacts.manifest(key)
    if manifest is None:
        raise NoSuchKeyError(f"stage {key}, on which the report depends, is not in the store")
    return manifest


def _prepare(context: StageContext[ReportSettings]) -> Iterator[StageFigures]:
    """Yield the figures of the run's latest prepare, which has no manifest."""
    content = RunDocuments(context.artifacts.store, context.order.run).read(PREPARE_TIMINGS_FILE)
    if content is not None:
        yield StageFigures(
            id="prepare",
            kind="prepare",
            iteration=0,
            round=None,
            key="",
            run_uid=context.order.run.uid,
            time=_time(Timings.model_validate_json(content)),
        )


def stage_figures(manifest: Manifest) -> StageFigures:
    """Return what the report reads of a committed stage."""
    stage = manifest.stage
    return StageFigures(
        id=stage.id,
        kind=stage.kind,
        iteration=stage.iteration,
        round=stage.round,
        key=manifest.key,
        run_uid=manifest.run.uid,
        time=_time(manifest.timings),
        statistics=manifest.statistics,
        examples=manifest.examples,
        inputs=manifest.inputs,
        devices=manifest.environment.gpus,
    )


def _time(timings: Timings) -> StageTime:
    return StageTime(
        started_at=timings.started_at.timestamp(),
        finished_at=timings.finished_at.timestamp(),
        load=timings.load_seconds,
        engine=timings.engine_seconds,
        cpu=timings.cpu_seconds,
    )


def _pairs(context: StageContext[ReportSettings], manifest: Manifest) -> PairFigures:
    """Return the figures of an iteration's pairs, and write those of the newest one to its file."""
    lines = context.artifacts.read_lines(manifest.key)
    if manifest.stage.iteration == context.step.iteration:
        lines = _written(lines, context.scratch / pairs_file(context.step.iteration))
    rows = (SELECTIONS.decode(line) for line in lines)
    seed = context.settings.spec.get("randomSeed", 0)
    return pair_figures(rows, seed, distance_of(manifest.settings))


def _written(lines: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Yield lines, and write them to a compressed file whose bytes contain no time."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as file:
        for line in lines:
            file.write(line + b"\n")
            yield line


def _training(
    context: StageContext[ReportSettings], manifest: Manifest
) -> tuple[TrainingStep, ...]:
    return tuple(
        TrainingStep(
            step=row["step"],
            loss=row["loss"],
            validation_loss=row["eval_loss"],
            learning_rate=row["learning_rate"],
            grad_norm=row["grad_norm"],
        )
        for row in _json_lines(context, manifest, TRAINING_LOG_FILE)
    )


def _scores(context: StageContext[ReportSettings], manifest: Manifest) -> tuple[LevelFigures, ...]:
    lines = context.artifacts.read_lines(manifest.key)
    return level_figures(SCORES.decode(line) for line in lines)


def _controls(
    context: StageContext[ReportSettings], damaged: Manifest, assessed: Manifest
) -> tuple[ControlFigures, ...]:
    pairs, controls = (
        (SCORES.decode(line) for line in context.artifacts.read_lines(manifest.key))
        for manifest in (assessed, damaged)
    )
    return control_figures(pairs, controls, context.settings.spec.get("randomSeed", 0))


def _anchors(
    context: StageContext[ReportSettings],
    later: Manifest,
    by_kind: Mapping[str, Mapping[int, Manifest]],
) -> tuple[AssessorDrift, ...]:
    """Return how the assessor scores pairs of the first iteration, compared with that iteration."""
    first = by_kind["assess"][min(by_kind["assess"])]
    looks = anchor_looks(
        (one.stage.iteration, one.settings["promptFormat"], partial(_score_rows, context, one.key))
        for one in (first, later)
    )
    return assessor_drift(looks[0], looks[1], context.settings.spec.get("randomSeed", 0))


def _score_rows(context: StageContext[ReportSettings], key: str) -> Iterator[ScoreRow]:
    for line in context.artifacts.read_lines(key):
        yield SCORES.decode(line)


def _constraints(
    context: StageContext[ReportSettings], manifest: Manifest
) -> tuple[SatisfiedShare, ...]:
    lines = context.artifacts.read_lines(manifest.key)
    return satisfied_shares(SELECTIONS.decode(line) for line in lines)


def _answers(
    context: StageContext[ReportSettings], assessed: Manifest, selected: Manifest
) -> tuple[AssessedPair, ...]:
    assessment = context.settings.spec.get("assessment", {})
    lines = islice(
        context.artifacts.read_lines(assessed.key), assessment.get("explanations", EXPLANATIONS)
    )
    rows = (SELECTIONS.decode(line) for line in context.artifacts.read_lines(selected.key))
    return assessed_pairs((SCORES.decode(line) for line in lines), rows)


def _samples(
    context: StageContext[ReportSettings], manifest: Manifest, t: int
) -> Iterator[SampleAnswer]:
    for row in _json_lines(context, manifest, SAMPLE_ANSWERS_FILE):
        if row["before"] is not None:
            yield SampleAnswer("M(0)", row["prompt"], row["before"])
        yield SampleAnswer(f"M({t})", row["prompt"], row["after"])


def _json_lines(
    context: StageContext[ReportSettings], manifest: Manifest, name: str
) -> list[dict[str, Any]]:
    path = context.scratch / f"{manifest.stage.iteration}-{name}"
    context.artifacts.read_file(manifest.key, name, path)
    text = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    return [json.loads(line) for line in text.splitlines()]


def _environment(manifest: Manifest) -> dict[str, str]:
    environment = manifest.environment
    named = {
        "device": environment.device,
        "base model": environment.model,
        "worker image": environment.image,
    }
    packages = {f"package {name}": version for name, version in environment.packages.items()}
    return {name: value for name, value in named.items() if value} | packages
