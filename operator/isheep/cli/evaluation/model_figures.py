"""What `isheep evaluate MODEL` shows: the figures of the model, as a document and as lines.

The figures are computed from the rows of the score stages, in this process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from isheep.api.evaluation import EvaluatedBenchmark
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import Prepared, PreparedBenchmark
from isheep.export.evaluation_results import RESULTS_FILE
from isheep.recipes.benchmarks import MEMORIZATION
from isheep.recipes.builders.benchmarks import base_formats, request_name
from isheep.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from isheep_worker.evaluation.memorization import Memorized

NOTE = (
    "These are figures of one model, so nothing is compared. The intervals cover the choice of the "
    "items."
)
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Measured:
    """What was evaluated: the spec, what prepare found, and the keys of the committed stages.

    `namespace` is that of the stages.
    """

    namespace: str
    spec: SelfAlignmentRunSpec
    prepared: Prepared
    committed: Mapping[str, str]


def figures_document(artifacts: ArtifactStore, found: Measured) -> dict[str, Any]:
    """Return the figures as JSON values; docs/how-to/evaluate.md documents them."""
    prepared = found.prepared
    return {
        "model": found.spec.model.storage_uri,
        "revision": prepared.model_revision,
        "digest": prepared.model_digest,
        "engine": prepared.engine,
        "dtype": prepared.dtype,
        "confidence": CONFIDENCE,
        "benchmarks": list(_benchmarks(artifacts, found)),
        "note": NOTE,
    }


def missing(document: Mapping[str, Any], found: Measured) -> list[str]:
    """Return the benchmarks without figures, with the prompt format: an evaluation has failed."""
    shown = {(one["name"], one["format"]) for one in document["benchmarks"]}
    wanted = ((one.name, prompt_format) for one, _, prompt_format in _wanted(found))
    return [" ".join(one) for one in wanted if one not in shown]


def figure_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the document as lines for people."""
    revision = f" at {document['revision']}" if document["revision"] else ""
    yield (
        f"{document['model']}{revision}, digest {document['digest'][:12]}, {document['engine']}, "
        f"{document['dtype']}:"
    )
    for one in document["benchmarks"]:
        yield f"{one['name']} (lm-eval {one['harness']}, task {one['task']}), {one['format']}:"
        for figure in one["figures"]:
            yield f"  {_figure(figure)}"
        for metric, value in one["aggregates"].items():
            yield f"  {metric}: {value:.4g}; a figure of the whole benchmark, without an interval"
        if one["memorized"] is not None:
            yield from _memorized_lines(one["memorized"])
    yield NOTE


def _memorized_lines(one: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"  {len(one['items'])} of {one['checked']} items are completed word for word from their "
        f"first half; {one['too_short']} further items are too short to tell"
    )
    for figure in one["rest"]:
        yield f"  without these items: {_figure(figure)}"


def _figure(one: Mapping[str, Any]) -> str:
    better = "higher" if one["higher_is_better"] else "lower"
    rank = "" if one["primary"] else ", exploratory"
    grouped = f" in {one['clusters']} clusters" if one["clusters"] < one["items"] else ""
    text = f"{one['metric']} ({better} is better{rank}): {one['mean']:.3f}, "
    text += f"{one['items']} items{grouped}"
    if one["lower"] is None:
        return f"{text}; too few items for an interval"
    return f"{text} (95 % interval {one['lower']:.3f} to {one['upper']:.3f})"


def _wanted(
    found: Measured,
) -> Iterator[tuple[EvaluatedBenchmark, PreparedBenchmark, PromptFormat]]:
    """Yield each benchmark with its requests and each prompt format, raw text first."""
    evaluation, prepared = found.spec.evaluation, found.prepared.evaluation or {}
    for benchmark in evaluation.benchmarks if evaluation is not None else ():
        for prompt_format in reversed(base_formats(found.spec, benchmark)):
            if prompt_format in prepared[benchmark.name].requests:
                yield benchmark, prepared[benchmark.name], prompt_format


def _benchmarks(artifacts: ArtifactStore, found: Measured) -> Iterator[dict[str, Any]]:
    memorized = _memorized(artifacts, found)
    for benchmark, reference, prompt_format in _wanted(found):
        key = found.committed.get(
            f"i0/score/{request_name(benchmark.task, reference, prompt_format)}"
        )
        if key is None:
            continue
        figures = _figures(artifacts, key)
        yield {
            "name": benchmark.name,
            "task": benchmark.task,
            "format": prompt_format,
            "harness": found.prepared.harness,
            "requests": reference.digest,
            "key": key,
            "figures": figures,
            "aggregates": aggregates(_results(artifacts, key), {one["metric"] for one in figures}),
            "memorized": _with_rest(artifacts, key, memorized.get(reference.digest)),
        }


def _memorized(artifacts: ArtifactStore, found: Measured) -> dict[str, Memorized]:
    """Return what the model completes of each benchmark, by the digest of the benchmark."""
    from isheep_worker.evaluation.memorization import memorized_items  # noqa: PLC0415 (heavy)
    from isheep_worker.inputs.stored_inputs import Inputs  # noqa: PLC0415
    from isheep_worker.rows.schema import OUTPUTS  # noqa: PLC0415

    items = found.prepared.memorization
    if items is None:
        return {}
    key = found.committed.get(f"i0/evaluate/{request_name(MEMORIZATION, items, 'Raw')}")
    if key is None:
        return {}
    outputs = (OUTPUTS.decode(line) for line in artifacts.read_lines(key))
    return memorized_items(Inputs(artifacts.store, found.namespace), items.digest, outputs)


def _with_rest(
    artifacts: ArtifactStore, key: str, memorized: Memorized | None
) -> dict[str, Any] | None:
    """Return what the model completes, with the figures without these items if there are any."""
    from isheep_worker.evaluation.memorization import document  # noqa: PLC0415 (heavy)

    if memorized is None:
        return None
    rest = _figures(artifacts, key, memorized.items) if memorized.items else []
    return {**document(memorized), "rest": rest}


def _figures(
    artifacts: ArtifactStore, key: str, left_out: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return the figures of a score stage without some items."""
    from isheep_worker.rows.schema import METRICS  # noqa: PLC0415 (heavy)
    from isheep_worker.yardstick.model_figures import model_figures  # noqa: PLC0415 (scipy)

    every = (METRICS.decode(line) for line in artifacts.read_lines(key))
    rows = [row for row in every if (row.cluster or row.item) not in left_out]
    return [
        {
            "metric": one.metric,
            "higher_is_better": one.higher_is_better,
            "primary": one.primary,
            "items": one.items,
            "clusters": one.clusters,
            "mean": one.mean,
            "lower": None if one.interval is None else one.interval.low,
            "upper": None if one.interval is None else one.interval.high,
        }
        for one in model_figures(rows)
    ]


def _results(artifacts: ArtifactStore, key: str) -> Mapping[str, Mapping[str, Any]]:
    """Return lm-eval's figures in the results of a score stage, by task."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / RESULTS_FILE
        artifacts.read_file(key, RESULTS_FILE, path)
        results: dict[str, dict[str, Any]] = json.loads(path.read_bytes())["results"]
    return results


def aggregates(
    results: Mapping[str, Mapping[str, Any]], shown: Collection[str]
) -> dict[str, float]:
    """Return lm-eval's figures of the metrics that have no value for each item.

    Args:
        results: lm-eval's figures by task and by metric with its filter.
        shown: The metrics that have a value for each item.
    """
    from isheep_worker.yardstick.benchmarks import NO_FILTER  # noqa: PLC0415 (heavy)

    return {
        f"{task}/{metric}": float(value)
        for task, figures in results.items()
        for metric, value in figures.items()
        if isinstance(value, int | float) and math.isfinite(value) and "," in metric
        if "_stderr," not in metric and metric.removesuffix(f",{NO_FILTER}") not in shown
    }
