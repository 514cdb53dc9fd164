"""Where the store keeps the work of stages that are not committed yet.

Each kind of work (checkpoints, completions, the reports of pods) has its module. All of
them are in one folder of the stage, so that one command deletes the work of a stage.
"""

from __future__ import annotations


def all_work(namespace: str) -> str:
    """Return the prefix of the work of all stages; it ends with a slash."""
    return "/".join((namespace, "work", ""))


def work_folder(namespace: str, key: str) -> str:
    """Return the prefix of the work under a stage's key; it ends with a slash."""
    return f"{all_work(namespace)}{key}/"
