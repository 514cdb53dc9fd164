"""Which stages of an iteration one Job executes, so that its pods load a model once.

A Job that executes more than one stage walks: its pods execute the recipe over the store and
continue with the next stage, curate included, as long as the stage belongs to the same Job.
`compute.inference.jobs` decides which stages belong together:

- `PerRole`: the rounds and the responses in one Job, and the scores in another one;
- `Joined`: all stages of an iteration that use an engine;
- `PerStage`: each stage alone.

Stages with different models are never in one Job. Two parts of the planner must agree on these
groups: the one that starts Jobs, and the one that decides which stages a running Job occupies. The
worker uses the same functions, so a pod ends where the planner expects it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from isheep.api.run import SelfAlignmentRunSpec
from isheep.contract.choices import JobGrouping
from isheep.contract.order import Prepared
from isheep.recipes.interface import Recipe, Stage, part_count
from isheep.recipes.prediction import predicted_stages
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS


@dataclass(frozen=True, slots=True)
class ExpectedJob:
    """What is known about a Job with a walk before its rounds are known.

    `settings_digest` changes with the settings of any stage of the Job. `parts` is the largest
    number of parts of a stage.
    """

    settings_digest: str
    parts: int


def can_walk(stage: Stage, grouping: JobGrouping) -> bool:
    """Return whether the Job that begins with a stage may continue with later stages."""
    return grouping != "PerStage" and STAGE_DEFINITIONS[stage.kind].role is not None


def job_of(stages: Sequence[Stage], stage: Stage, grouping: JobGrouping) -> tuple[Stage, ...]:
    """Return the known stages that are in one Job with a stage, in order, the stage included."""
    return next(group for group in _groups(stages, grouping) if stage in group)


def walked_from(stages: Sequence[Stage], first: str, grouping: JobGrouping) -> tuple[Stage, ...]:
    """Return the known stages of a Job that begins with the stage `first`; none if it is gone."""
    found = next((stage for stage in stages if stage.id == first), None)
    if found is None:
        return ()
    group = job_of(stages, found, grouping)
    return group[group.index(found) :]


def claim_keys(stages: Sequence[Stage], stage: Stage, keys: Mapping[str, str]) -> set[str]:
    """Return the keys that any Job with this stage claims, whatever its grouping is.

    A Job with a walk does not know the keys of its later stages when it starts, because they depend
    on results. So it claims the key of the first stage that can be in the same Job.
    """
    if STAGE_DEFINITIONS[stage.kind].role is None:
        return set()
    return {keys[job_of(stages, stage, grouping)[0].id] for grouping in ("PerRole", "Joined")}


def expected_job(
    first: Stage,
    grouping: JobGrouping,
    *,
    recipe: Recipe,
    spec: SelfAlignmentRunSpec,
    prepared: Prepared,
    versions: Mapping[str, int],
) -> ExpectedJob:
    """Return what is known about the Job that begins with a stage."""
    wanted = first.iteration
    predicted = predicted_stages(recipe, spec, prepared)
    iteration = takewhile(lambda s: s.iteration <= wanted, predicted)
    groups = _groups([s for s in iteration if s.iteration == wanted], grouping)
    kinds = [group for group in groups if any(s.kind is first.kind for s in group)]
    stages = [stage for group in kinds for stage in group]
    parts = max((part_count(stage.items or 0) for stage in stages), default=1)
    return ExpectedJob(_settings_digest(stages, versions), max(1, parts))


def keys_digest(keys: Iterable[str]) -> str:
    """Return the digest by which a frontier identifies the keys that it counts."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


def _groups(stages: Iterable[Stage], grouping: JobGrouping) -> list[tuple[Stage, ...]]:
    groups: list[tuple[Stage, ...]] = []
    for stage in stages:
        if groups and _continues(groups[-1], stage, grouping):
            groups[-1] = (*groups[-1], stage)
        else:
            groups.append((stage,))
    return groups


def _continues(group: tuple[Stage, ...], stage: Stage, grouping: JobGrouping) -> bool:
    first = group[0]
    roles = [STAGE_DEFINITIONS[s.kind].role for s in (first, stage)]
    if grouping == "PerStage" or None in roles or first.iteration != stage.iteration:
        return False
    if grouping == "PerRole" and roles[0] is not roles[1]:
        return False
    models = {s.model for s in (*group, stage) if s.model is not None}
    return len(models) <= 1


def _settings_digest(stages: Sequence[Stage], versions: Mapping[str, int]) -> str:
    document = [[s.kind, versions[str(s.kind)], s.settings.canonical()] for s in stages]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
