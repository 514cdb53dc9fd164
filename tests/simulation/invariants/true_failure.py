"""A run fails only for a cause: an exit code, too many failures of a stage, or its deadline.

A disruption, a stop or an unreachable store ends no run, however often it happens.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from isheep.contract.exit_codes import ExitCode
from isheep.contract.reasons import Reason

from ..api_server import PODS, RUNS, Change
from ..history import History

UID_LABEL = "isheep.dev/run-uid"
FINAL = (ExitCode.BAD_INPUT, ExitCode.DEFECT)
UNCOUNTED = (0, ExitCode.STOPPED, ExitCode.UNREACHABLE, *FINAL)
"""The exit codes that count as no failure."""
RETRIED = 4
"""The number of failures that end a run: three retries, and the first one."""


def violations(history: History) -> list[str]:
    """Return the runs that have failed without a cause."""
    found: list[str] = []
    codes: defaultdict[str, Counter[int]] = defaultdict(Counter)
    ended: set[str] = set()
    for change in history.changes:
        uid = change.document["metadata"]["uid"]
        if change.resource == PODS and uid not in ended and (code := _code(change)) is not None:
            ended.add(uid)
            codes[change.document["metadata"]["labels"].get(UID_LABEL, "")][code] += 1
        if change.resource == RUNS and _has_failed(change) and not _is_overdue(change):
            seen = codes[uid]
            other = sum(n for c, n in seen.items() if c not in UNCOUNTED)
            if not any(seen[code] for code in FINAL) and other < RETRIED:
                found.append(f"version {change.version} has failed after the exit codes {seen}")
    return found


def _has_failed(change: Change) -> bool:
    return (change.document.get("status") or {}).get("phase") == "Failed"


def _is_overdue(change: Change) -> bool:
    """Return whether a run says that its deadline has passed, which `keeps_deadline` checks."""
    conditions = change.document["status"].get("conditions") or ()
    return any(c["reason"] == Reason.DEADLINE_EXCEEDED for c in conditions)


def _code(change: Change) -> int | None:
    """Return the exit code of a pod that has ended, or None; -1 stands for 0 without a result."""
    for container in change.document["status"].get("containerStatuses") or ():
        if ended := container["state"].get("terminated"):
            return int(ended["exitCode"]) or (0 if ended.get("message") else -1)
    return None
