"""The benchmarks of an evaluation: their data and all their requests, before a GPU is requested.

For each prompt format in which a model is evaluated, all requests are rendered to token ids and
stored. A task that does not exist, data of another form, and settings that lm-eval would ignore end
the run here. Later stages load the same task from the stored data.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from isheep.api.evaluation import EvaluatedBenchmark, Evaluation
from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import PromptFormat
from isheep.contract.prepared import PreparedBenchmark
from isheep.recipes.builders.benchmarks import base_formats
from isheep_worker.curation.decontamination import texts_of
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.drawing import Share, item_hash
from isheep_worker.evaluation.hub_data import hub_files
from isheep_worker.evaluation.memorization import BenchmarkItem, longest_text
from isheep_worker.evaluation.requests import RenderedRequest, longest_length
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.evaluation.stored import dump_requests, dump_texts, put_benchmark
from isheep_worker.inputs.stored_inputs import Inputs
from isheep_worker.preparation.input_texts import InputTexts
from isheep_worker.preparation.model import LENGTH_STEP
from isheep_worker.preparation.prompt_formats import in_both_formats
from isheep_worker.runtime.errors import BadInputError
from isheep_worker.sandbox.client import refusal
from isheep_worker.templates.chat import ChatFormat

if TYPE_CHECKING:
    from isheep_worker.evaluation.benchmark import Benchmark

_LOG = logging.getLogger(__name__)
DEFAULT_LENGTH = 2048
"""The length of a model whose files do not contain one, as in lm-eval."""
MAX_REQUEST_BYTES = 256 << 20
"""The largest size of the requests of a benchmark in one format; each pod holds them in memory."""


@dataclass(frozen=True, slots=True)
class PreparedEvaluation:
    """The prepared benchmarks by name.

    `texts` is the digest of the texts that instructions must not share words with, None if no
    benchmark asks for it. `harness` is the version of lm-eval. `items` has the items that M(0)
    completes from their first half; it is empty if the spec does not ask for it.
    """

    benchmarks: Mapping[str, PreparedBenchmark]
    texts: str | None
    harness: str
    items: Sequence[BenchmarkItem] = ()


@dataclass(frozen=True, slots=True)
class _Model:
    """What requests depend on besides the benchmark: the model's tokenizer, format and length."""

    folder: Path
    chat_format: ChatFormat
    max_length: int


def prepare_evaluation(
    spec: SelfAlignmentRunSpec,
    texts: InputTexts,
    inputs: Inputs,
    *,
    folder: Path,
    chat_format: ChatFormat,
    own_length: int | None,
) -> PreparedEvaluation | None:
    """Store the data and the requests of all benchmarks; return None if the spec has none.

    Args:
        spec: The run.
        texts: The reader of the benchmarks' data.
        inputs: The store's inputs.
        folder: The folder of the model's tokenizer.
        chat_format: The run's chat format.
        own_length: The longest text that the model was made for, in tokens, None if unknown.

    Raises:
        BadInputError: A benchmark cannot be evaluated; the message has its name and the remedy.
        SourceUnreachableError: The data cannot be read now.
    """
    if spec.evaluation is None or not spec.evaluation.benchmarks:
        return None
    from isheep_worker.evaluation.results import HARNESS_VERSION  # noqa: PLC0415 (heavy)

    length = spec.engine.vllm.max_model_length or own_length or DEFAULT_LENGTH
    model = _Model(folder, chat_format, length)
    found: dict[str, PreparedBenchmark] = {}
    metrics: dict[str, _Metrics] = {}
    dropped: list[str] = []
    items: list[BenchmarkItem] = []
    for benchmark in spec.evaluation.benchmarks:
        try:
            files = texts.evaluation(benchmark.name)
            formats = base_formats(spec, benchmark)
            one = _prepared(
                spec.evaluation,
                benchmark,
                formats,
                texts.pinned_formats(benchmark.name),
                files=files,
                inputs=inputs,
                model=model,
            )
        except BadInputError as error:
            raise BadInputError(f"evaluation.benchmarks[{benchmark.name}]: {error}") from error
        found[benchmark.name] = one.reference
        metrics[benchmark.name] = one.metrics
        items += one.items
        if benchmark.decontaminate == "Drop":
            dropped += one.texts
    _check_metrics(spec, metrics)
    return PreparedEvaluation(
        benchmarks=found,
        texts=inputs.put(dump_texts(dropped)) if dropped else None,
        harness=HARNESS_VERSION,
        items=items,
    )


@dataclass(frozen=True, slots=True)
class _Metrics:
    """The metrics of a benchmark.

    `of_items` has the names of those with a value for each item, alone and with a filter. `whole`
    has the others.
    """

    of_items: Sequence[str]
    whole: Collection[str]


def _check_metrics(spec: SelfAlignmentRunSpec, metrics: Mapping[str, _Metrics]) -> None:
    """Raise `BadInputError` if a decision reads a metric that its benchmark does not have."""
    read = {
        "best.metric": None if spec.best is None else spec.best.metric,
        "stopping.metric": None if spec.stopping is None else spec.stopping.metric,
    }
    for field, metric in read.items():
        name, _, wanted = (metric or "").partition("/")
        if name not in metrics:
            continue
        names = metrics[name].of_items
        if not names:
            raise BadInputError(
                f"{field}: the benchmark {name} has no metric with a value for each item, so no "
                "models can be compared on it; use another benchmark"
            )
        if wanted and wanted not in names:
            values = " with a value for each item" if wanted in metrics[name].whole else ""
            raise BadInputError(
                f"{field}: the benchmark {name} has no metric {wanted}{values}; use one of "
                f"{', '.join(names)}"
            )


@dataclass(frozen=True, slots=True)
class _Prepared:
    reference: PreparedBenchmark
    texts: Sequence[str]
    metrics: _Metrics
    items: Sequence[BenchmarkItem]


def _prepared(
    evaluation: Evaluation,
    benchmark: EvaluatedBenchmark,
    formats: Sequence[PromptFormat],
    pinned: Collection[PromptFormat] | None,
    *,
    files: TaskFiles | None,
    inputs: Inputs,
    model: _Model,
) -> _Prepared:
    from isheep_worker.evaluation.benchmark import load_benchmark  # noqa: PLC0415 (heavy)
    from isheep_worker.evaluation.metrics import (  # noqa: PLC0415 (heavy)
        metric_names,
        whole_metrics,
    )

    settings = benchmark_settings(benchmark, evaluation.random_seed)
    allowed = evaluation.allow_code_execution
    if files is None:
        files = hub_files(lambda: load_benchmark(settings, None, allow_code_execution=allowed))

    def rendered(
        some: Sequence[PromptFormat],
    ) -> tuple[Benchmark, dict[PromptFormat, list[RenderedRequest]]]:
        requests: dict[PromptFormat, list[RenderedRequest]] = {}
        for prompt_format in some:
            loaded = load_benchmark(
                replace(settings, prompt_format=prompt_format), files, allow_code_execution=allowed
            )
            answered = prompt_format in formats
            requests[prompt_format] = _rendered(loaded, model, answered=answered)
        return loaded, requests

    loaded, requests = in_both_formats(formats, pinned, rendered)
    if loaded.executes_code and (problem := refusal()):
        raise BadInputError(problem)
    needed = max(map(longest_length, requests.values()))
    texts = list(_texts(loaded))
    reference = PreparedBenchmark(
        digest=put_benchmark(inputs, settings, files, requests, texts),
        requests={name: len(requests[name]) for name in formats},
        length=min(-(-needed // LENGTH_STEP) * LENGTH_STEP, model.max_length),
    )
    items = _completed_items(evaluation, loaded, reference.digest)
    metrics = _Metrics(metric_names(loaded), whole_metrics(loaded))
    if not metrics.of_items:
        _LOG.warning(
            "benchmark %s: no metric of the task %s has a value for each item, so no model is "
            "compared on it; `isheep export --evaluation` has its figures",
            *(benchmark.name, benchmark.task),
        )
    return _Prepared(reference, texts, metrics, items)


def benchmark_settings(benchmark: EvaluatedBenchmark, random_seed: int) -> BenchmarkSettings:
    """Return what the requests of a benchmark depend on; its prompt format is set later."""
    shares: tuple[Share, ...] = (Share(),)
    if benchmark.share is not None:
        end = benchmark.share.validation
        shares = (Share(end=end), Share(begin=end))
    return BenchmarkSettings(
        task=benchmark.task,
        num_fewshot=benchmark.num_few_shot,
        shares=shares,
        limit=benchmark.limit,
        random_seed=random_seed,
    )


def _rendered(benchmark: Benchmark, model: _Model, *, answered: bool) -> list[RenderedRequest]:
    """Return the requests; `answered` is whether a model of the run answers them."""
    from transformers import AutoTokenizer  # noqa: PLC0415 (heavy)

    from isheep_worker.evaluation.rendering import render  # noqa: PLC0415 (heavy)

    tokenizer = AutoTokenizer.from_pretrained(
        model.folder, local_files_only=True, trust_remote_code=False
    )
    requests = render(
        benchmark,
        tokenizer,
        model.max_length,
        chat_template=model.chat_format.template,
        stop_token_ids=model.chat_format.stop_token_ids,
    )
    task, prompt_format = benchmark.settings.task, benchmark.settings.prompt_format
    if (size := len(dump_requests(requests))) > MAX_REQUEST_BYTES:
        raise BadInputError(
            f"benchmark {task}: its {len(requests)} requests have {size >> 20} MiB, and the limit "
            f"is {MAX_REQUEST_BYTES >> 20} MiB: set limit, or a smaller numFewShot"
        )
    if answered and (cut := sum(request.work.cut > 0 for request in requests)):
        _LOG.warning(
            "benchmark %s (%s): %d of %d prompts have more than the model's %d tokens; they lose "
            "their beginning",
            *(task, prompt_format, cut, len(requests), model.max_length),
        )
    return requests


def _completed_items(
    evaluation: Evaluation, benchmark: Benchmark, digest: str
) -> list[BenchmarkItem]:
    """Return the items that M(0) completes from their first half, drawn by the hash of the item."""
    if evaluation.memorization is None:
        return []
    found = [
        (item_hash(doc), f"{name}/{number}", longest_text(texts_of(doc)))
        for name in benchmark.tasks
        for number, doc in benchmark.docs(name)
    ]
    drawn = sorted(found)[: evaluation.memorization.items]
    return [BenchmarkItem(digest, item, text) for _, item, text in drawn]


def _texts(benchmark: Benchmark) -> Iterator[str]:
    """Yield the texts of all items, so that neither limit nor share changes what is dropped."""
    for task in benchmark.tasks.values():
        for doc in task.eval_docs:
            yield from texts_of(doc)
