"""The metrics of a benchmark from stored outputs: lm-eval's filters, metrics and aggregation.

The result depends on the outputs and not on their order or on what was scored before. It needs no
model and no tokenizer, so that the outputs of M(0) can be scored again by the lm-eval that scores
M(t).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from lm_eval.evaluator_utils import _process_results
from lm_eval.utils import handle_non_serializable

from isheep_worker.evaluation.benchmark import Benchmark
from isheep_worker.evaluation.code_eval import CODE_EVAL
from isheep_worker.evaluation.drawing import item_hash
from isheep_worker.evaluation.harness import harness, own_randomness
from isheep_worker.evaluation.rendering import build, instances
from isheep_worker.evaluation.requests import Output, request_id
from isheep_worker.rows.item_seeds import item_seed
from isheep_worker.runtime.error_texts import describe
from isheep_worker.runtime.errors import WorkerError
from isheep_worker.sandbox.client import open_sandbox

HARNESS_VERSION = version("lm-eval")
"""The version that scores; it is part of a score's key."""
_SHOWN = (
    "results",
    "groups",
    "group_subtasks",
    "versions",
    "n-shot",
    "higher_is_better",
    "n-samples",
)


class ScoringError(WorkerError, RuntimeError):
    """lm-eval cannot score an item; the message names the task and the item."""


@dataclass(frozen=True, slots=True)
class ItemScore:
    """The metrics of one item with one filter, as values of JSON."""

    task: str
    doc: int
    item_hash: str
    filter: str
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a benchmark: each item's, and `results` in lm-eval's format without errors."""

    items: tuple[ItemScore, ...]
    results: Mapping[str, Any]


def score(benchmark: Benchmark, outputs: Mapping[str, Output]) -> Scores:
    """Return the scores of a benchmark.

    Args:
        benchmark: The benchmark, loaded with the settings and the data of its requests.
        outputs: The output for each request by its id, in any order.

    Generated code is executed in a sandbox, if the benchmark executes code.

    Raises:
        ScoringError: An output is missing, or lm-eval cannot score an item.
        BadInputError: Generated code cannot be confined here.
        SandboxError: The sandbox does not answer.
    """
    if not benchmark.executes_code:
        return _score(benchmark, outputs)
    with open_sandbox() as sandbox, CODE_EVAL.running(sandbox.run):
        return _score(benchmark, outputs)


def _score(benchmark: Benchmark, outputs: Mapping[str, Output]) -> Scores:
    found: list[ItemScore] = []
    gathered: dict[str, Any] = {}
    is_chat = benchmark.settings.prompt_format == "Chat"
    for name, task in benchmark.tasks.items():
        # Metrics read no prompt, so its text is not rendered again.
        build(benchmark, name, _no_text if is_chat else None)
        by_doc = _answered(benchmark, name, outputs)
        with own_randomness(benchmark.settings.random_seed), harness():
            task.apply_filters()
        raw: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for filter_name in task.instances[0].filtered_resps:
            for doc_number, doc in benchmark.docs(name):
                place = f"benchmark {name}, item {doc_number}"
                responses = [one.filtered_resps[filter_name] for one in by_doc[doc_number]]
                metrics = _metrics(task, doc, responses, place)
                for metric, value in metrics.items():
                    raw[metric, filter_name].append(value)
                found.append(
                    ItemScore(name, doc_number, item_hash(doc), filter_name, _plain(metrics))
                )
        gathered[name] = {"task": task, "raw_metrics": raw, "logged_samples": []}
    with harness():
        results = _process_results(gathered, dict(benchmark.groups), 0)._to_eval_results()
    return Scores(tuple(found), _plain({name: results[name] for name in _SHOWN if name in results}))


def _answered(
    benchmark: Benchmark, name: str, outputs: Mapping[str, Output]
) -> Mapping[int, list[Any]]:
    """Put the outputs into lm-eval's requests; return these by the number of their item."""
    by_doc: dict[int, list[Any]] = defaultdict(list)
    for doc, number, instance in instances(benchmark, name):
        ids = [request_id(name, doc, number, repeat) for repeat in range(instance.repeats)]
        if missing := [id_ for id_ in ids if id_ not in outputs]:
            raise ScoringError(
                f"there is no output for the request {missing[0]}: evaluate the model again, with "
                "the settings and the data of the benchmark"
            )
        instance.resps = [_response(instance.request_type, outputs[id_]) for id_ in ids]
        by_doc[doc].append(instance)
    return by_doc


def _response(kind: str, output: Output) -> Any:
    """Return an output in the form in which lm-eval's models return it."""
    if kind == "generate_until":
        return output.text
    if kind == "loglikelihood_rolling":
        return output.logprob
    return output.logprob, output.is_greedy


def _metrics(task: Any, doc: Any, responses: list[Any], place: str) -> Mapping[str, Any]:
    """Return the metrics of an item; `place` is the item in messages."""
    try:
        with own_randomness(item_seed(0, "score", place)), harness():
            metrics: Mapping[str, Any] = task.process_results(doc, responses)
    except WorkerError:
        raise
    # The code of a task sees generated text, and can raise anything.
    except Exception as error:
        raise ScoringError(
            f"{place}: lm-eval cannot score the output "
            f"({describe(error)}); exclude the item, or use another task"
        ) from error
    return metrics


def _plain(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a value as it is in JSON: numbers of numpy become numbers, tuples become lists."""
    plain: Mapping[str, Any] = json.loads(json.dumps(value, default=handle_non_serializable))
    return plain


def _no_text(messages: Any, **_: Any) -> str:
    del messages
    return ""
