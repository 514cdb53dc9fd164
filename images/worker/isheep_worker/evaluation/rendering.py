"""All requests of a benchmark as token ids, without a model.

prepare renders the requests. Their digest is in the key of the stage that answers them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from isheep_worker.evaluation.benchmark import Benchmark
from isheep_worker.evaluation.harness import harness, own_randomness
from isheep_worker.evaluation.harness_model import HarnessModel
from isheep_worker.evaluation.requests import Output, RenderedRequest, Work
from isheep_worker.runtime.error_texts import describe
from isheep_worker.runtime.errors import BadInputError, WorkerError


def render(
    benchmark: Benchmark,
    tokenizer: Any,
    max_length: int,
    *,
    chat_template: str | None = None,
    stop_token_ids: Sequence[int] = (),
) -> list[RenderedRequest]:
    """Return the requests of a benchmark, in the order of its items.

    Args:
        benchmark: The loaded benchmark.
        tokenizer: The model's tokenizer, as Transformers loads it.
        max_length: The largest length of prompt and continuation, in tokens.
        chat_template: The Jinja text of the chat template; with the prompt format Chat only.
        stop_token_ids: Tokens that end a generated text, besides those of the engine.

    Raises:
        BadInputError: A request cannot be made; the message has the remedy.
    """
    is_chat = benchmark.settings.prompt_format == "Chat"
    if is_chat and chat_template is None:
        raise ValueError("the prompt format Chat needs a chat template")
    recorded: list[Work] = []

    def record(works: Sequence[Work]) -> list[Output]:
        recorded.extend(works)
        return [Output(logprob=0.0, is_greedy=False, text="") for _ in works]

    model = HarnessModel(
        tokenizer,
        max_length,
        record,
        chat_template=chat_template if is_chat else None,
        stop_token_ids=stop_token_ids,
    )
    found = []
    for name in benchmark.tasks:
        try:
            _build(benchmark, name, model.apply_chat_template if is_chat else None)
            for doc, number, instance in instances(benchmark, name):
                for repeat in range(instance.repeats):
                    recorded.clear()
                    getattr(model, instance.request_type)([instance], disable_tqdm=True)
                    (work,) = recorded
                    found.append(RenderedRequest(name, doc, number, repeat, work))
        except BadInputError as error:
            raise BadInputError(f"benchmark {name}: {error}") from error
    return found


def _build(benchmark: Benchmark, name: str, chat_template: Callable[..., str] | None) -> None:
    """Build the requests of a task; raise `BadInputError` with the item that has no request."""
    try:
        build(benchmark, name, chat_template)
    except WorkerError:
        raise
    # A task is code of lm-eval that reads a user's rows, so it can raise anything.
    except Exception as error:
        number = _first_without_request(benchmark, name, chat_template)
        examples = ", or set numFewShot: 0" if benchmark.tasks[name].config.num_fewshot else ""
        raise BadInputError(
            f"lm-eval cannot make the prompt of item {number} from its row and its examples "
            f"({describe(error, place=False)}): compare them with the rows of the task's data set, "
            f"or remove the item{examples}"
        ) from error


def _first_without_request(
    benchmark: Benchmark, name: str, chat_template: Callable[..., str] | None
) -> int:
    """Return the number of the first item whose request cannot be built; there is one."""
    items = benchmark.items[name]

    def fails(count: int) -> bool:
        some = replace(benchmark, items={**benchmark.items, name: items[:count]})
        try:
            build(some, name, chat_template)
        except Exception:  # noqa: BLE001 (the caller raises it)
            return True
        return False

    count = bisect_left(range(1, len(items)), True, key=fails) + 1
    return items[count - 1]


def build(benchmark: Benchmark, name: str, chat_template: Callable[..., str] | None) -> None:
    """Build the requests of a task as texts; they are the same in each call.

    Args:
        benchmark: The loaded benchmark.
        name: The name of the task.
        chat_template: Renders a conversation, or None for prompts without a chat.
    """
    task, seed = benchmark.tasks[name], benchmark.settings.random_seed
    items = benchmark.items[name]
    with harness(), own_randomness(seed):
        task.set_fewshot_seed(seed=seed)
        task.build_all_requests(
            samples=None if len(items) == len(task.eval_docs) else items,
            apply_chat_template=chat_template is not None,
            fewshot_as_multiturn=True,
            chat_template=chat_template,
        )


def instances(benchmark: Benchmark, name: str) -> list[tuple[int, int, Any]]:
    """Return lm-eval's built requests of a task, with the number of their item and in the item."""
    items = benchmark.items[name]
    counts: dict[int, int] = {}
    found = []
    for instance in benchmark.tasks[name].instances:
        doc = items[instance.doc_id]
        found.append((doc, counts.get(doc, 0), instance))
        counts[doc] = counts.get(doc, 0) + 1
    return found
