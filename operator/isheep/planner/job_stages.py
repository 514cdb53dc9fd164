"""Which stages one Job executes, so that its pods load a model once.

A Job that executes more than one stage walks: its pods execute the recipe over the store and
continue with the next stage, curate included, as long as the stage belongs to the same Job.
`compute.inference.jobs` decides which stages of an iteration belong together:

- `PerRole`: the rounds and the responses in one Job, and the scores in another one;
- `Joined`: all stages of an iteration that use an engine;
- `PerStage`: each stage alone.

In these Jobs, stages with different models are never together. With `compute.jobs: Run`, all stages
after prepare are in one Job. prepare stays alone, because it refuses a bad run before the run asks
for a GPU.

Two parts of the planner must agree on these groups: the one that starts Jobs, and the one that
decides which stages a running Job occupies. The worker uses the same functions, so a pod ends where
the planner expects it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import WalkGrouping
from isheep.contract.prepared import Prepared
from isheep.recipes.interface import Recipe, Stage, part_count
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.stage_kinds import StageKind


@dataclass(frozen=True, slots=True)
class ExpectedJob:
    """What is known about a Job with a walk before its rounds are known.

    `settings_digest` changes with the settings of any stage of the Job. `parts` is the largest
    number of parts of a stage.
    """

    settings_digest: str
    parts: int


def can_walk(stage: Stage, grouping: WalkGrouping) -> bool:
    """Return whether the Job that begins with a stage may continue with later stages."""
    if grouping == "Run":
        return stage.kind is not StageKind.PREPARE
    return grouping != "PerStage" and stage.role is not None


def job_of(stages: Sequence[Stage], stage: Stage, grouping: WalkGrouping) -> tuple[Stage, ...]:
    """Return the known stages that are in one Job with a stage, in order, the stage included."""
    return next(group for group in _groups(stages, grouping) if stage in group)


def walked_from(stages: Sequence[Stage], first: str, grouping: WalkGrouping) -> tuple[Stage, ...]:
    """Return the known stages of a Job that begins with the stage `first`; none if it is gone."""
    found = next((stage for stage in stages if stage.id == first), None)
    if found is None:
        return ()
    group = job_of(stages, found, grouping)
    return group[group.index(found) :]


def claimed_stage(stages: Sequence[Stage], stage: Stage, grouping: WalkGrouping) -> Stage:
    """Return the stage whose key a Job claims that begins with the given stage.

    A Job with a walk does not know the keys of its later stages when it starts, because they depend
    on results. So it claims the key of the first stage that can be in the same Job. A Job of a
    whole run claims the first inference stage of the iteration in which it begins.
    """
    if grouping != "Run":
        return job_of(stages, stage, grouping)[0]
    iteration = (one for one in stages if one.iteration == stage.iteration)
    return next((one for one in iteration if one.role is not None), stage)


def claim_keys(stages: Sequence[Stage], stage: Stage, keys: Mapping[str, str]) -> set[str]:
    """Return the keys that any Job with this stage claims, whatever its grouping is."""
    if stage.role is None:
        return set()
    groupings: tuple[WalkGrouping, ...] = ("PerRole", "Joined", "Run")
    return {keys[claimed_stage(stages, stage, grouping).id] for grouping in groupings}


def expected_job(
    first: Stage,
    grouping: WalkGrouping,
    *,
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared,
    versions: Mapping[str, int],
) -> ExpectedJob:
    """Return what is known about the Job that begins with a stage."""
    last = spec.iterations if grouping == "Run" else first.iteration
    predicted = predicted_stages(recipe, spec, prepared)
    reached = takewhile(lambda s: s.iteration <= last, predicted)
    groups = _groups([s for s in reached if s.iteration >= first.iteration], grouping)
    kinds = [group for group in groups if any(s.kind is first.kind for s in group)]
    stages = [stage for group in kinds for stage in group]
    parts = max((part_count(stage.items or 0) for stage in stages), default=1)
    return ExpectedJob(_settings_digest(stages, versions), max(1, parts))


def keys_digest(keys: Iterable[str]) -> str:
    """Return the digest by which a frontier identifies the keys that it counts."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


def _groups(stages: Iterable[Stage], grouping: WalkGrouping) -> list[tuple[Stage, ...]]:
    groups: list[tuple[Stage, ...]] = []
    for stage in stages:
        if groups and _continues(groups[-1], stage, grouping):
            groups[-1] = (*groups[-1], stage)
        else:
            groups.append((stage,))
    return groups


def _continues(group: tuple[Stage, ...], stage: Stage, grouping: WalkGrouping) -> bool:
    first = group[0]
    if grouping == "Run":
        return StageKind.PREPARE not in (first.kind, stage.kind)
    if grouping == "PerStage" or first.iteration != stage.iteration:
        return False
    roles = first.role, stage.role
    if None in roles or (grouping == "PerRole" and roles[0] is not roles[1]):
        return False
    models = {s.model for s in (*group, stage) if s.model is not None}
    return len(models) <= 1


def _settings_digest(stages: Sequence[Stage], versions: Mapping[str, int]) -> str:
    document = [[s.kind, versions[str(s.kind)], s.settings.canonical()] for s in stages]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
