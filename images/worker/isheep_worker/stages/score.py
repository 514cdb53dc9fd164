"""score: the answers of M(t) on a benchmark become the metrics of lm-eval.

The rows have a value for each item and metric, from which models are compared. The file
`results.json` has lm-eval's own results, in its own format. The stage needs no model, and the
version of lm-eval is in its key: if it changes, the stored answers of M(0) are scored again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from isheep.recipes.evaluation_settings import ScoreSettings
from isheep_worker.evaluation.requests import Output
from isheep_worker.evaluation.stored import get_benchmark, load_stored
from isheep_worker.execution.commit import commit
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.single_writer import write_parts
from isheep_worker.rows.file_names import BENCHMARK_RESULTS_FILE
from isheep_worker.rows.schema import METRICS, OUTPUTS, MetricRow
from isheep_worker.runtime.errors import BadInputError


def run(context: StageContext[ScoreSettings]) -> StageOutcome:
    """Score all answers and commit the stage."""
    from isheep_worker.evaluation.metrics import item_values, metrics_of  # noqa: PLC0415 (heavy)
    from isheep_worker.evaluation.results import HARNESS_VERSION, score  # noqa: PLC0415

    settings = context.settings
    if settings.harness != HARNESS_VERSION:
        raise BadInputError(
            f"the benchmark was prepared with lm-eval {settings.harness}, and this worker has "
            f"{HARNESS_VERSION}: use the worker image with which the run began, or start the run "
            "again"
        )
    benchmark = load_stored(
        context.inputs,
        get_benchmark(context.inputs, settings.benchmark),
        settings.prompt_format,
        allow_code_execution=settings.allow_code_execution is True,
    )
    outputs = {
        row.id: Output(row.logprob, row.is_greedy, row.text)
        for row in context.rows("outputs", OUTPUTS)
    }
    scores = score(benchmark, outputs)
    better = metrics_of(benchmark)

    def rows() -> Iterator[bytes]:
        for one in scores.items:
            for metric in one.metrics:
                for found in item_values(benchmark, one, metric):
                    yield METRICS.encode(
                        MetricRow(
                            task=one.task,
                            metric=metric,
                            filter=one.filter,
                            item=found.item,
                            item_hash=one.item_hash,
                            value=found.value,
                            higher_is_better=better.get(metric, True),
                            cluster=found.cluster,
                        )
                    )

    count = write_parts(context, rows())
    path = context.scratch / BENCHMARK_RESULTS_FILE
    path.write_text(json.dumps(scores.results, indent=1, ensure_ascii=False), encoding="utf-8")
    file = context.artifacts.write_file(context.step.key, BENCHMARK_RESULTS_FILE, path)
    parts = context.artifacts.collect_parts(context.step.key, count)
    items = sum(map(len, benchmark.items.values()))
    return commit(context, {"items": items}, parts=parts, files=[file])
