"""The registry has every style of task list that settings can name."""

from typing import get_args

from isheep.contract.choices import TaskListStyle
from isheep_worker.task_lists.registry import TASK_LISTS


def test_every_style_of_the_settings_is_registered() -> None:
    assert set(TASK_LISTS) == {*get_args(TaskListStyle)}
