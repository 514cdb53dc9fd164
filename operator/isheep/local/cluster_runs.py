"""The runs of a namespace on a cluster, as the collection of garbage needs them. Pure.

A list of runs alone does not show that a run which is not in it was deleted: the run can be on
another cluster that uses the same store. So each reference of a run on a cluster names its
installation (`RunRef.cluster`). The references of the runs in the list show which installations
the list comes from. Only a run of one of these installations that is not in the list was deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from isheep.contract.order import RunRef
from isheep.store.documents import Reference
from isheep.store.garbage import KEY_IN_TEXT

_ENDED = ("Succeeded", "Failed")
_PREPARE = "prepare"


@dataclass(frozen=True, slots=True)
class ClusterRuns:
    """The runs of one namespace on one cluster.

    `names` has the name of each run by UID, and `keys` the keys in their specs and statuses.
    `at_work` are the names of runs that have not ended. `unprepared` are those of them whose
    prepare has not ended: such a run is about to use stages that nothing names yet.
    """

    names: Mapping[str, str]
    keys: frozenset[str]
    at_work: tuple[str, ...]
    unprepared: tuple[str, ...]

    def deleted(self, references: Iterable[Reference]) -> set[str]:
        """Return the UIDs of runs with a reference that this cluster had, and has no longer."""
        found = list(references)
        ours = {one.run.cluster for one in found if one.run.uid in self.names} - {None}
        return {one.run.uid for one in found if self._is_deleted(one.run, ours)}

    def _is_deleted(self, run: RunRef, ours: set[str | None]) -> bool:
        return run.uid not in self.names and run.cluster is not None and run.cluster in ours


def cluster_runs(documents: Iterable[Mapping[str, Any]]) -> ClusterRuns:
    """Return the runs of a list of objects from the API server."""
    names: dict[str, str] = {}
    keys: set[str] = set()
    at_work, unprepared = [], []
    for document in documents:
        metadata, status = document["metadata"], document.get("status") or {}
        names[metadata["uid"]] = metadata["name"]
        content = json.dumps([document.get("spec"), status]).encode()
        keys.update(key.decode() for key in KEY_IN_TEXT.findall(content))
        seen = status.get("observedGeneration") == metadata.get("generation")
        if not seen or status.get("phase") not in _ENDED:
            at_work.append(metadata["name"])
            if not seen or not _is_prepared(status):
                unprepared.append(metadata["name"])
    return ClusterRuns(names, frozenset(keys), tuple(sorted(at_work)), tuple(sorted(unprepared)))


def _is_prepared(status: Mapping[str, Any]) -> bool:
    stages = status.get("stages") or ()
    return any(one["id"] == _PREPARE and one.get("committed") for one in stages)
