"""The styles of task lists by the names that the stages' settings take."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.recipes.settings import TaskListStyle
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
WHOLE: frozenset[TaskListStyle | None] = frozenset({"Alpaca"})
"""The styles whose tasks come with their outputs: what curate leaves are pairs."""


def task_list(style: TaskListStyle | None) -> TaskList:
    """Return a style by its name; I-SHEEP's where settings name none."""
    return TASK_LISTS[style or "ISheep"]
