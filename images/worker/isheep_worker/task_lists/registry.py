"""The registry of task lists: each style under its name in the settings of stages."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.choices import TaskListStyle
from isheep_worker.task_lists.alpaca import AlpacaList
from isheep_worker.task_lists.interface import TaskList
from isheep_worker.task_lists.isheep import ISheepList
from isheep_worker.task_lists.self_instruct import SelfInstructList
from isheep_worker.task_lists.topic_guided import TopicGuidedList
from isheep_worker.task_lists.topics import TopicList

TASK_LISTS: Mapping[TaskListStyle, TaskList] = {
    "ISheep": ISheepList(),
    "SelfInstruct": SelfInstructList(),
    "Alpaca": AlpacaList(),
    "Topics": TopicList(),
    "TopicGuided": TopicGuidedList(),
}
WHOLE: frozenset[TaskListStyle | None] = frozenset(
    name for name, style in TASK_LISTS.items() if style.has_outputs
)
"""The styles whose tasks have outputs, so that curate writes pairs."""


def task_list(style: TaskListStyle | None) -> TaskList:
    """Return a style by its name, or I-SHEEP's style if the settings name none."""
    return TASK_LISTS[style or "ISheep"]
