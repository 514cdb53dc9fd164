"""One D(t) for a key: a stage that is executed again has the same content."""

from __future__ import annotations

from ..history import History


def violations(history: History) -> list[str]:
    """Return the keys for which two contents were made."""
    contents: dict[str, str] = {}
    found = []
    for commit in history.commits:
        if contents.setdefault(commit.key, commit.content) != commit.content:
            found.append(f"{commit.stage}: two contents for the key {commit.key[:12]}")
    return found
