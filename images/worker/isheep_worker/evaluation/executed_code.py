"""Finds tasks that execute generated code, and how they do it.

A task of lm-eval that executes generated code says so in `unsafe_code`. It does not say how: some
tasks use the metric `code_eval`, and others execute the code in a process of their own (cruxeval).
Tasks without the mark can call `eval` with parts of an answer, too (longproc's countdown). So the
functions that score a task are searched for such calls, without running them.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import lm_eval.tasks

from isheep_worker.evaluation.code_eval import CODE_EVAL

_TASKS = Path(lm_eval.tasks.__file__).parent
_EXECUTING_BUILTINS = frozenset({"exec", "eval"})
_EXECUTING_MODULES = frozenset({"subprocess"})


def executes_in_sandbox(task: Any) -> bool:
    """Return whether a task gives generated code to our sandbox."""
    return any(value is CODE_EVAL for _, value in _used(task))


def executes_itself(task: Any) -> bool:
    """Return whether a task executes code or starts programs in its own way."""
    return any(
        (value is None and name in _EXECUTING_BUILTINS)
        or getattr(value, "__name__", None) in _EXECUTING_MODULES
        or getattr(value, "__module__", None) in _EXECUTING_MODULES
        for name, value in _used(task)
    )


def _used(task: Any) -> Iterator[tuple[str, Any]]:
    """Yield the global names that a task's scoring uses, directly or in lm-eval's tasks.

    The value of a name is None if it is a builtin.
    """
    waiting = list(_functions(task))
    seen: set[FunctionType] = set()
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for name in _global_names(function.__code__):
            value = function.__globals__.get(name)
            yield name, value
            waiting += [one for one in (value, *_members(value)) if _of_a_task(one)]


def _functions(task: Any) -> Iterator[FunctionType]:
    """Yield the functions that the configuration of a task names for its answers."""
    config = task.config
    named = [config.process_results]
    named += [one.get("metric") for one in config.metric_list or []]
    named += [
        step.get("filter_fn")
        for pipeline in config.filter_list or []
        for step in pipeline.get("filter", [])
    ]
    for one in named:
        yield from (found for found in (one, *_members(one)) if isinstance(found, FunctionType))
        # A metric itself can be the method of an object, such as that of `code_eval`.
        if isinstance(getattr(one, "__func__", None), FunctionType):
            yield one.__func__


def _members(value: Any) -> list[Any]:
    """Return the members of a class or a module, any of which can be used."""
    return list(vars(value).values()) if isinstance(value, (type, ModuleType)) else []


def _of_a_task(value: Any) -> bool:
    if not isinstance(value, FunctionType):
        return False
    return Path(value.__code__.co_filename).is_relative_to(_TASKS)


def _global_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)
