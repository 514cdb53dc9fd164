"""Nothing is made twice: no worker commits a stage that another one has committed meanwhile.

A worker looks for a stage before it begins, so a second commit means that two workers made the
stage at the same time.
"""

from __future__ import annotations

from ..history import History


def violations(history: History) -> list[str]:
    """Return the stages that two workers have made."""
    return [
        f"{commit.stage} was made twice, the second time by {commit.job} at {commit.at:.0f} s"
        for commit in history.commits
        if not commit.first
    ]
