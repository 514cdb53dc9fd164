"""A benchmark: tasks of lm-eval with their items, loaded by name.

The settings of a benchmark are few, and each of them is refused if lm-eval would ignore it: a user
who sets it would believe in a figure that was measured in another way.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from isheep_worker.evaluation.code_eval import code_eval_bound
from isheep_worker.evaluation.data import TaskData, TaskFiles
from isheep_worker.evaluation.drawing import drawn, item_hash
from isheep_worker.evaluation.executed_code import executes_in_sandbox, executes_itself
from isheep_worker.evaluation.harness import harness, own_randomness
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.runtime.error_texts import describe
from isheep_worker.runtime.errors import BadInputError, WorkerError, causes


@dataclass(frozen=True)
class Benchmark:
    """The loaded tasks by name, their groups, and the numbers of the drawn items by task."""

    settings: BenchmarkSettings
    tasks: Mapping[str, Any]
    groups: Mapping[str, Any]
    items: Mapping[str, tuple[int, ...]]

    @property
    def executes_code(self) -> bool:
        """Whether some task executes generated code, in a sandbox."""
        return any(map(executes_in_sandbox, self.tasks.values()))

    def docs(self, task: str) -> Iterator[tuple[int, Any]]:
        """Yield the drawn items of a task with their numbers in the split, in order."""
        docs = self.tasks[task].eval_docs
        for number in self.items[task]:
            yield number, docs[number]


def load_benchmark(
    settings: BenchmarkSettings, files: TaskFiles | None, *, allow_code_execution: bool = False
) -> Benchmark:
    """Load the tasks of a benchmark and draw its items.

    Args:
        settings: The settings of the benchmark.
        files: The benchmark's data, or None for the data set of the hub.
        allow_code_execution: Whether the task may execute the code that a model writes.

    Raises:
        BadInputError: lm-eval does not have the task, its data cannot be read, or a setting would
            have no effect. The message has the remedy.
    """
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    name = settings.task
    config = _config_of(name)
    if config.get("unsafe_code") and not allow_code_execution:
        raise _not_allowed(name)
    data = None if files is None else TaskData(files, _evaluated_split(config, settings, files))
    with own_randomness(settings.random_seed):
        loaded = _loaded(name, data)
        tasks: dict[str, Any] = loaded["tasks"]
        for task_name, task in tasks.items():
            _check_execution(task_name, task, allowed=allow_code_execution)
            _check(task_name, task, settings)
            _set_examples(task_name, task, settings, data)
            _keep_docs(task)
    items = {
        task_name: _drawn_items(task_name, task, settings) for task_name, task in tasks.items()
    }
    return Benchmark(settings, tasks, loaded.get("groups", {}), items)


def _drawn_items(name: str, task: Any, settings: BenchmarkSettings) -> tuple[int, ...]:
    hashes = [item_hash(doc) for doc in task.eval_docs]
    found = [drawn(hashes, share, settings.limit) for share in settings.shares]
    if not all(found):
        raise BadInputError(
            f"benchmark {settings.task}: the share or the limit leaves no item of {name} with one "
            "of the roles; set another share, or a larger limit"
        )
    return tuple(sorted(number for numbers in found for number in numbers))


def _keep_docs(task: Any) -> None:
    """Let a task return the items that it returns now.

    A task makes its items again in each call, and some tasks shuffle the answers of an item. The
    answers that are scored would then have another order than those that a model has seen.
    """
    docs = task.eval_docs
    setattr(task, "test_docs" if task.has_test_docs() else "validation_docs", lambda: docs)


@cache
def _manager() -> Any:
    return TaskManager()


def _config_of(name: str) -> Mapping[str, Any]:
    """Return the configuration of a task or a group, without loading its code."""
    # lm-eval would take another name for the path of a file, and would execute the code it names.
    if name not in _manager().task_index:
        close = difflib.get_close_matches(name, _manager().all_tasks, n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise BadInputError(
            f"benchmark {name}: the installed lm-eval has no task of this name{hint} (its list: "
            "lm_eval ls tasks)"
        )
    path = _manager().task_index[name].yaml_path
    config: Mapping[str, Any] = load_yaml(path, resolve_func=False) if path else {}
    return config


def _check_execution(name: str, task: Any, *, allowed: bool) -> None:
    """Raise `BadInputError` if a task executes generated code and may not, or has its own way."""
    in_sandbox = executes_in_sandbox(task)
    if executes_itself(task) or (getattr(task, "UNSAFE_CODE", False) and not in_sandbox):
        raise BadInputError(
            f"benchmark {name}: the task executes generated code in its own way, outside of a "
            "sandbox; use another task"
        )
    if in_sandbox and not allowed:
        raise _not_allowed(name)


def _not_allowed(name: str) -> BadInputError:
    return BadInputError(
        f"benchmark {name}: the task executes generated code; set evaluation.allowCodeExecution: "
        "true, or use another task"
    )


def _evaluated_split(
    config: Mapping[str, Any], settings: BenchmarkSettings, files: TaskFiles
) -> str | None:
    """Return the split whose items are evaluated; None if it is not one task with one data set.

    Raises `BadInputError` if the data is one file then.
    """
    split = config.get("test_split") or config.get("validation_split")
    if split is not None and isinstance(config.get("task"), str):
        return str(split)
    if files.is_folder:
        return None
    raise BadInputError(
        f"benchmark {settings.task}: {files.name} is one file, and {settings.task} is not one task "
        "with one data set; set a folder with a file <subset>/<split>.jsonl for each data set"
    )


def _loaded(name: str, data: TaskData | None) -> dict[str, Any]:
    try:
        with harness(None if data is None else data.load), code_eval_bound():
            found: dict[str, Any] = _manager().load(name)
    except WorkerError as error:
        raise BadInputError(f"benchmark {name}: {error}") from error
    except ImportError as error:
        raise BadInputError(
            f"benchmark {name}: the task needs a package that is not installed ({error}); install "
            "it in the worker's image"
        ) from error
    # A task is code of lm-eval, and its data a user's: both can raise anything.
    except Exception as error:
        raise BadInputError(f"benchmark {name}: {_cause(error, data)}") from error
    return found


def _cause(error: Exception, data: TaskData | None) -> str:
    if data is None:
        return (
            f"the data set of the hub cannot be read ({describe(error, place=False)}); set "
            "storageUri to a file or a folder with the benchmark's data"
        )
    if wanted := data.missing_items:
        return _missing(data, wanted[0])
    if any(isinstance(one, OSError) for one in causes(error)):
        # Errors of connections, and of the hub's client without a network, are of this class.
        return (
            f"the task loads more than its data set, which cannot be read "
            f"({describe(error, place=False)}); use another task"
        )
    return (
        f"{data.source.name} has not the fields that the task reads "
        f"({describe(error, place=False)}); compare its rows with the task's data set"
    )


def _missing(data: TaskData, wanted: str) -> str:
    if not data.source.is_folder:
        return (
            f"{data.source.name} is one file, and the task also reads {wanted}; set a folder with "
            "a file <subset>/<split>.jsonl for each split"
        )
    found = ", ".join(sorted(data.source.files)) or "nothing"
    return f"{data.source.name} has no file {wanted}.jsonl or {wanted}.parquet (it has {found})"


def _check(name: str, task: Any, settings: BenchmarkSettings) -> None:
    """Raise `BadInputError` if the task cannot be evaluated, or not with these settings."""
    if getattr(task, "MULTIMODAL", False):
        raise BadInputError(f"benchmark {name}: the task has images or sound; use another task")
    ignores_prompt = task.OUTPUT_TYPE == "loglikelihood_rolling"
    if not isinstance(task, ConfigurableTask) or callable(task.config.custom_dataset):
        raise BadInputError(
            f"benchmark {name}: the task has its own way to load data, so its data and settings "
            "cannot be set; use another task"
        )
    if type(task).fewshot_context is not ConfigurableTask.fewshot_context:
        ignores_prompt = True
    if ignores_prompt and settings.prompt_format == "Chat":
        raise BadInputError(
            f"benchmark {name}: the task has no prompt for a chat; set promptFormat: Raw"
        )
    if settings.num_fewshot and (ignores_prompt or task.config.num_fewshot == 0):
        raise BadInputError(
            f"benchmark {name}: the task shows no examples, so numFewShot has no effect; remove it"
        )
    if settings.num_fewshot and _shows_items(task):
        raise BadInputError(
            f"benchmark {name}: the task has no examples but the evaluated items, and lm-eval "
            "would show some items with their own answers; set numFewShot: 0, or use another task"
        )


def _shows_items(task: Any) -> bool:
    """Return whether an item can be among the examples in its own prompt."""
    chosen = task.fewshot_cfg
    has_others = task.has_training_docs() or task.has_validation_docs()
    # lm-eval leaves the item out if the split of the examples is set to the evaluated one.
    return chosen.split is None and chosen.samples is None and not has_others


def _set_examples(name: str, task: Any, settings: BenchmarkSettings, data: TaskData | None) -> None:
    """Set the number of examples as lm-eval does, and check that the data has enough."""
    own = task.config.num_fewshot
    number = (own if settings.num_fewshot is None else settings.num_fewshot) or 0
    task.set_config(key="num_fewshot", value=number)
    available = len(task.sampler.df) if hasattr(task, "sampler") else 0
    # lm-eval draws one more example, because the item itself can be among those of its own split.
    own_split = hasattr(task, "sampler") and task.fewshot_cfg.split == task.config.test_split
    if number and available < number + own_split:
        without = ", without the item itself" if own_split else ""
        cause = (
            _missing(data, data.missing[0])
            if data is not None and data.missing
            else f"there are {max(available - own_split, 0)}{without}"
        )
        raise BadInputError(
            f"benchmark {name}: the prompts need {number} examples: {cause}; add them, or set "
            "numFewShot: 0"
        )
