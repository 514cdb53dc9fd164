"""The funnels of a run's iterations, from the manifests of its committed stages.

The report makes its funnel with the same code of the worker, so both have the same lines. This
module imports that code in place of a copy of it, and starts no worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isheep.contract.stage_ids import iteration_of
from isheep.store.artifacts import ArtifactStore
from isheep_worker.report.funnel import FunnelStep, funnel
from isheep_worker.stages.report import stage_figures


@dataclass(frozen=True, slots=True)
class Funnels:
    """The lines of each iteration, by its number.

    `missing` has the ids of committed stages that the store does not have. An iteration with such a
    stage has no funnel, because its lines would not add up.
    """

    lines: Mapping[int, tuple[FunnelStep, ...]]
    missing: tuple[str, ...]


def funnels(artifacts: ArtifactStore, committed: Mapping[str, str]) -> Funnels:
    """Return the funnels of a run; `committed` has the keys of its committed stages by their ids.

    Raises:
        StoreCorruptError: A manifest is damaged.
    """
    # prepare, which is in no iteration, has no manifest.
    found = {id_: artifacts.manifest(key) for id_, key in committed.items() if iteration_of(id_)}
    missing = tuple(id_ for id_, manifest in found.items() if manifest is None)
    stages = [stage_figures(manifest) for manifest in found.values() if manifest is not None]
    whole = {iteration_of(id_) for id_ in found} - {iteration_of(id_) for id_ in missing}
    return Funnels({t: funnel(t, stages) for t in sorted(whole)}, missing)
