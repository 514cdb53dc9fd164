"""What a spec refers to outside of the store: URIs, PersistentVolumeClaims and ConfigMaps. Pure.

The planner puts these references into orders and the Job builder mounts them, so both read them
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.mirrors import mirrored
from isheep.recipes.stage_kinds import StageKind

CLAIM_SCHEME = "pvc://"


def source_uris(spec: SelfAlignmentRunSpec, kind: StageKind) -> list[str]:
    """Return the URIs that a stage reads outside of the store.

    Every stage may read the model and the judge. prepare also reads seed tasks and benchmarks and
    copies them into the store.
    """
    uris = [spec.model.storage_uri]
    if spec.judge is not None and spec.judge.model is not None:
        uris.append(spec.judge.model.storage_uri)
    if kind is StageKind.PREPARE:
        uris += [spec.seed_tasks.storage_uri] if spec.seed_tasks.storage_uri else []
        uris += [benchmark.storage_uri for benchmark in spec.curation.decontamination.benchmarks]
        uris += evaluation_uris(spec).values()
    return uris


def evaluation_uris(spec: SelfAlignmentRunSpec) -> dict[str, str]:
    """Return the URIs of the evaluation's benchmarks and judgements by name.

    A benchmark of the hub has none.
    """
    if spec.evaluation is None:
        return {}
    found = {one.name: one.storage_uri for one in spec.evaluation.benchmarks}
    found |= {one.name: one.storage_uri for one in spec.evaluation.judgements or ()}
    return {name: uri for name, uri in found.items() if uri is not None}


def config_map_names(spec: SelfAlignmentRunSpec) -> list[str]:
    """Return the names of the ConfigMaps that prepare reads, sorted."""
    found = {spec.prompts_ref.name} if spec.prompts_ref is not None else set()
    if spec.seed_tasks.config_map_ref is not None:
        found.add(spec.seed_tasks.config_map_ref.name)
    return sorted(found)


def claim_names(uris: Iterable[str], mirrors: Mapping[str, str]) -> list[str]:
    """Return the names of the claims that URIs lead to, directly or through mirrors, sorted."""
    targets = (mirrored(uri, mirrors) for uri in uris)
    paths = (t.removeprefix(CLAIM_SCHEME) for t in targets if t.startswith(CLAIM_SCHEME))
    return sorted({path.partition("/")[0] for path in paths})


def claim_mirrors(uris: Iterable[str], mirrors: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return one mirror for each claim that URIs lead to: its folder below `folder`."""
    return {f"{CLAIM_SCHEME}{name}": f"{folder}/{name}" for name in claim_names(uris, mirrors)}
