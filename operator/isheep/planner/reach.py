"""Which stages an attempt may reach without a new plan, before the keys of these stages are known.

The Job of a whole run walks on alone, and the keys of its later stages depend on results. Another
run cannot see these keys, so two such Jobs would both train M(1). So runs compare *expected* keys:
those that the stages would have if each collection of items needed one round (`prediction`). They
are hashes of the same values as keys. If two stages have other settings, or an input with other
settings, both their keys and their expected keys differ. So two runs share exactly the stages with
the same expected key, in all rounds. An expected key is never the key of an artifact.

Decisions of verdicts are not part of expected keys. Otherwise the expected keys of a run would
change while it runs, and a run that begins later would not have the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from isheep.api.status import StageRecord
from isheep.contract.choices import WalkGrouping
from isheep.contract.prepared import Prepared
from isheep.contract.stage_ids import iteration_of
from isheep.planner.job_stages import can_walk, job_of
from isheep.planner.walk import walk
from isheep.recipes.interface import Stage
from isheep.recipes.pinned_spec import PinnedSpec
from isheep.recipes.prediction import best_result
from isheep.recipes.registry import recipe_named
from isheep.recipes.stage_kinds import STAGE_VERSIONS, StageKind, kind_of

RUNS_KEPT = 32
"""Size of the cache of expected stages; each run with a Job of the whole run needs one entry."""
_DIGITS = 16


def reached(
    resolved: Mapping[str, Any] | None,
    records: Iterable[StageRecord],
    first: str,
    grouping: WalkGrouping,
) -> frozenset[str]:
    """Return the expected keys of the stages that an attempt may reach.

    Args:
        resolved: `status.resolved` of the run.
        records: `status.stages` of the run.
        first: The id of the attempt's first stage.
        grouping: How the attempt walks; `PerStage` if it does not.

    Returns:
        The expected keys of the stages without a result; none before prepare has committed. While
        an iteration lacks a stage of the Job's role, its rounds are included, because another round
        may follow.
    """
    if resolved is None or resolved.get("prepared") is None:
        return frozenset()
    try:
        expected = _expected(
            json.dumps([resolved["spec"], resolved["prepared"], resolved["stageVersions"]])
        )
    except (LookupError, ValueError):
        # Somebody has edited the status. The next plan writes it again.
        return frozenset()
    begin = _counterpart(expected.stages, first)
    if begin is None or begin.kind is StageKind.PREPARE:
        return frozenset()
    walks = can_walk(begin, grouping)
    job = job_of(expected.stages, begin, grouping) if walks else (begin,)
    settled = {r.id for r in records if r.committed or r.failure is not None}
    if not walks:
        settled.clear()
    left = [stage for stage in job if stage.id not in settled]
    open_iterations = {stage.iteration for stage in left if stage.role is not None}
    return frozenset(
        expected.keys[stage.id]
        for stage in job
        if stage.id not in settled or _is_open(stage, open_iterations)
    )


def _is_open(stage: Stage, open_iterations: Collection[int]) -> bool:
    return stage.round is not None and stage.iteration in open_iterations


def _counterpart(stages: Iterable[Stage], first: str) -> Stage | None:
    """Return the expected stage for a stage: of the same id, or round 1 for a later round.

    The ids are compared, because M(t) is measured in iteration t + 1.
    """
    wanted = kind_of(first), iteration_of(first)
    of_kind = [stage for stage in stages if (stage.kind, iteration_of(stage.id)) == wanted]
    same = (stage for stage in of_kind if stage.id == first)
    return next(same, of_kind[0] if of_kind else None)


@dataclass(frozen=True, slots=True)
class _Expected:
    stages: tuple[Stage, ...]
    keys: Mapping[str, str]


@lru_cache(maxsize=RUNS_KEPT)
def _expected(resolved: str) -> _Expected:
    spec_document, prepared, versions = json.loads(resolved)
    spec = PinnedSpec.read_stored(spec_document)
    walked = walk(
        recipe_named(spec.recipe),
        spec,
        Prepared.model_validate(prepared),
        {**{str(kind): version for kind, version in STAGE_VERSIONS.items()}, **versions},
        lambda stage, _: best_result(stage, spec),
    )
    return _Expected(walked.stages, {id_: key[:_DIGITS] for id_, key in walked.keys.items()})
