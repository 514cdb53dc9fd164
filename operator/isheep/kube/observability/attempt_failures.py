"""Failed attempts of stages that a status adds to an earlier one, for the metrics. Pure.

They are counted from the statuses that the operator has written. So a restart counts no failure
twice, and a repeated pass counts none that the status already has.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.api.status import SelfAlignmentRunStatus
from isheep.contract.reasons import Reason
from isheep.contract.stage_ids import kind_name

UNKNOWN = "Unknown"
"""The reason of a failure that is not the last one of the status, or whose reason is not known.

A pod can report any reason, and each one would be a time series that never ends."""
_KNOWN = frozenset(str(reason) for reason in Reason)


def new_failures(
    before: SelfAlignmentRunStatus, after: SelfAlignmentRunStatus
) -> Iterator[tuple[str, str, int]]:
    """Yield the kind of a stage, the reason and the number of its new failed attempts.

    A stage with a new key is another stage, whose failures are all new.
    """
    known = {(record.id, record.key): record.failures for record in before.stages}
    last = after.last_failure
    for record in after.stages:
        added = record.failures - known.get((record.id, record.key), 0)
        if added > 0:
            told = last is not None and last.stage == record.id and last.reason in _KNOWN
            yield kind_name(record.id), last.reason if last and told else UNKNOWN, added
