"""The record of a stage changes only for a cause, and its counts are those of the store.

The counts of a committed stage are the statistics of the store, rounded, and those of a stage that
is not committed are empty. A stage of an earlier iteration may have only the essential ones, which
other stages depend on.

A failure, a smaller batch and a wait come with the end of an attempt, and they are gone only after
an edit, a retry, or a commit. The number of attempts never falls. `follows_exit_codes` says which
of these the end of an attempt must bring; this invariant says that nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, kind_of

from ..api_server import RUNS, Json
from ..history import History

ERROR = 1e-4
"""A frontier has four decimals."""
MOST_REDUCTIONS = 3
Records = dict[tuple[str, str], Json]


def violations(history: History) -> list[str]:
    """Return the records that are wrong, or that change without a cause."""
    return [f"version {version}: {what}" for version, what in _wrong(history)]


def _wrong(history: History) -> Iterator[tuple[int, str]]:
    made = {commit.key: commit.statistics for commit in history.commits}
    last: dict[str, tuple[Json, Records]] = {}
    for change in history.changes:
        if change.resource != RUNS:
            continue
        uid, status = change.document["metadata"]["uid"], change.document.get("status") or {}
        known = last.get(uid)
        if change.version in history.exempt:
            last.pop(uid, None)
            continue
        if known is not None and known[0].get("stages") is status.get("stages"):
            continue
        records = {(s["id"], s["key"]): s for s in status.get("stages") or ()}
        earlier = {} if known is None else known[1]
        free = known is None or _is_reset(known[0], status)
        for ref, record in records.items():
            before = earlier.get(ref)
            if before is record or before == record:
                continue
            for what in (*_counts(record, before, made), *_changes(before, record, free=free)):
                yield change.version, f"{ref[0]} {what}"
        last[uid] = status, records


def _is_reset(before: Json, now: Json) -> bool:
    """Return whether an edit or a retry has reset the failures."""
    names = ("observedGeneration", "lastHandledRetry")
    return any(before.get(name) != now.get(name) for name in names)


def _counts(
    record: Json, before: Json | None, made: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    counts = record.get("counts") or {}
    if before is not None and counts == (before.get("counts") or {}):
        return
    stored = made.get(record["key"])
    if not record.get("committed"):
        if counts:
            yield f"has the counts {counts}, and is not committed"
        return
    if stored is None:
        # prepare has no statistics.
        return
    if any(abs(value - stored.get(n, float("inf"))) > ERROR for n, value in counts.items()):
        yield f"has the counts {counts}, and the store {dict(stored)}"
    needed = STAGE_DEFINITIONS[kind_of(record["id"])].essential_statistics
    missing = [name for name in needed if name in stored and name not in counts]
    if missing:
        yield f"has the counts {counts} without {', '.join(missing)}"


def _changes(before: Json | None, now: Json, *, free: bool) -> Iterator[str]:
    """Yield the changes of a record without a cause; after an edit or a retry, all is `free`."""
    attempts, failures = now.get("attempts") or 0, now.get("failures") or 0
    reductions, hold = now.get("memoryReduction") or 0, now.get("hold")
    if failures + reductions > attempts or reductions > MOST_REDUCTIONS:
        yield f"has {failures} failures and {reductions} smaller batches in {attempts} attempts"
    old_hold = (before or {}).get("hold") or {}
    if hold is not None and hold != old_hold:
        row = old_hold.get("times", 0) if old_hold.get("stalled") and hold.get("stalled") else 0
        if (before is not None and hold.get("times") not in (1, row + 1)) or not hold["message"]:
            yield f"has the wait {hold} after {old_hold}"
    if before is None:
        return
    if attempts < (before.get("attempts") or 0):
        yield f"has {attempts} attempts after {before.get('attempts')}"
    if free or attempts > (before.get("attempts") or 0):
        return
    names = ("failures", "memoryReduction", "hold", "failure")
    ends = now.get("committed") and not before.get("committed")
    for name in names[: 2 if ends else 4]:
        old, new = before.get(name), now.get(name)
        if (old or None) != (new or None):
            yield f"has {name} {new} after {old}, and no attempt has ended"
