"""What a Job makes: its stages, by iteration and kind, as the documentation describes Jobs.

docs/architecture.md (The workers) and docs/how-to/use-gpus.md have the groupings. A Job without a
walk makes its steps. A Job of a role, or of all roles, goes through these stages of an iteration,
and claims the first of them, wherever it begins. A Job of a whole run goes to the end of the run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache

from isheep.contract.stage_ids import iteration_of
from isheep.recipes.stage_kinds import STAGE_DEFINITIONS, JobRole, kind_of

from ...control_plane.harness.invariants import steps_of
from ..api_server import Json
from .true_jobs import WALK

NO_STAGE_READS = ("compute", "iterations", "suspend", "storage", "serviceAccountName")
"""The fields of a spec that change no stage of an iteration."""
Slot = tuple[int, str]
"""An iteration and what is made in it: the name of a role, or of a kind without a role."""
ORDER = (*JobRole, "select", "train", "merge", "report")
"""What is made in an iteration, in its order; measurements come between them, and are left out."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The stages of a Job: `slots` that it can come to, and `key` if it makes one stage only.

    `whole` tells whether it goes to the end of its run, from its first slot on. `claim` is the key
    that the Job names if it walks, which an edit of its run does not change.
    """

    slots: frozenset[Slot]
    key: str | None = None
    whole: bool = False
    claim: str | None = None

    def covers(self, slot: Slot) -> bool:
        """Return whether the Job can come to a slot."""
        return slot in self.slots or (self.whole and _place(slot) >= min(map(_place, self.slots)))


@lru_cache(maxsize=1000)
def slot_of(stage: str) -> Slot:
    """Return the slot of a stage."""
    kind = kind_of(stage)
    role = STAGE_DEFINITIONS[kind].role
    return iteration_of(stage), str(kind if role is None else role)


def is_role(slot: Slot) -> bool:
    """Return whether an engine makes what is in a slot, so that a Job may go through it."""
    return slot[1] in (JobRole.GENERATION, JobRole.ASSESSMENT)


def grouping_of(spec: Json) -> str:
    """Return the grouping that a spec asks for; the default is that of the API."""
    compute = spec.get("compute") or {}
    if compute.get("jobs") == "Run":
        return "Run"
    return str((compute.get("inference") or {}).get("jobs", "PerRole"))


def reach_of(job: Json) -> Reach:
    """Return what a Job makes."""
    stage, key = steps_of(job)[0]
    walk = (job["metadata"].get("annotations") or {}).get(WALK)
    if walk is None:
        return reach_from(stage, key, "PerStage")
    grouping, claim = _walk(walk)
    return replace(reach_from(stage, key, grouping), claim=claim)


@lru_cache(maxsize=2000)
def reach_from(stage: str, key: str, grouping: str) -> Reach:
    """Return what a Job would make that begins with a stage."""
    slot = slot_of(stage)
    has_role = is_role(slot)
    if grouping == "Run" and stage != "prepare":
        first = (slot[0], str(JobRole.GENERATION)) if has_role else slot
        return Reach(frozenset({first}), whole=True)
    if grouping == "PerStage" or not has_role:
        return Reach(frozenset({slot}), key)
    if grouping == "Joined":
        return Reach(frozenset((slot[0], str(role)) for role in JobRole))
    return Reach(frozenset({slot}))


@lru_cache(maxsize=2000)
def _walk(walk: str) -> tuple[str, str]:
    found = json.loads(walk)
    return str(found["grouping"]), str(found["claim"])


def common(one: Reach, other: Reach, last: int) -> list[Slot]:
    """Return the slots of the first `last` iterations that two Jobs can come to."""
    if one.key is not None and other.key is not None and one.key != other.key:
        return []
    if not one.whole and not other.whole:
        return list(one.slots & other.slots)
    if not (one.whole and other.whole):
        part, whole = (other, one) if one.whole else (one, other)
        return [slot for slot in part.slots if whole.covers(slot)]
    slots = ((iteration, str(name)) for iteration in range(1, last + 1) for name in ORDER)
    return [slot for slot in slots if one.covers(slot) and other.covers(slot)]


def _place(slot: Slot) -> tuple[int, int]:
    # A measurement is made beside training.
    return slot[0], ORDER.index(slot[1]) if slot[1] in ORDER else len(ORDER) - 1


class Stages:
    """The stages that a status names.

    `first` has the first key in each slot, `left` the ids and keys of the stages that nobody has
    made, `made` the keys of the others, and `open` the iterations in which an engine must still
    make something.
    """

    def __init__(self, run: Json) -> None:
        self.run = run
        self.first: dict[Slot, str] = {}
        self.left: list[tuple[str, str]] = []
        self.made: set[str] = set()
        self.open: set[int] = set()
        for stage in (run.get("status") or {}).get("stages") or ():
            slot = slot_of(stage["id"])
            self.first.setdefault(slot, stage["key"])
            if not stage.get("committed") and not stage.get("failure"):
                self.left.append((stage["id"], stage["key"]))
                self.open.update({slot[0]} if is_role(slot) else ())
            else:
                self.made.add(stage["key"])

    def is_over(self, slot: Slot) -> bool:
        """Return whether the status names a stage after those of a slot, so that these are made."""
        return any(_place(other) > _place(slot) for other in self.first)


def is_same(slot: Slot, one: Stages, other: Stages) -> bool:
    """Return whether two runs have the same stages in a slot, as far as anybody can know.

    Keys tell it. If one of them is not known yet, equal specs have equal stages, and all specs here
    have the same data until the scores of the first iteration.
    """
    keys = one.first.get(slot), other.first.get(slot)
    if None not in keys:
        return keys[0] == keys[1]
    return (slot[0] == 1 and is_role(slot)) or _asked(one.run) == _asked(other.run)


def _asked(run: Json) -> Json:
    """Return what decides about the stages of a run: its spec with the defaults."""
    resolved = (run.get("status") or {}).get("resolved") or {}
    spec = resolved.get("spec") or run["spec"]
    return {name: value for name, value in spec.items() if name not in NO_STAGE_READS}
