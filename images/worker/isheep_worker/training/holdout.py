"""Which pairs are held out for validation (`training.validationShare`).

A pair that one training has learned must never validate a later one, or the validation loss is too
low. With `startFrom: Previous` and `data: All`, M(2) starts from a model that was trained on D(1),
and D(1) is part of its data again. So the choice depends on the run's random seed and on the pair,
never on the stage. It is made for one training set after another, and a later set never moves a
pair from training to validation. Near copies are always on the same side.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isheep_worker.training.near_copies import NearCopies


@dataclass(frozen=True, slots=True)
class Origin:
    """What decides about a pair: its 63-bit hash and its instruction."""

    seed: int
    instruction: str


def held_out(datasets: Iterable[Sequence[Origin]], share: float) -> frozenset[int]:
    """Return the seeds of the pairs that are held out.

    Of each training set, the groups of near copies with the lowest seeds are held out, as long as
    they do not exceed the share. A group that contains a pair to train on is trained on as a whole.

    Args:
        datasets: D(1) to D(t), or only D(t); each with the pairs that are used.
        share: The share of each training set, from 0 to below 1; the number is rounded down.

    Returns:
        The seeds. For D(1) to D(t), those of D(1) to D(t-1) are a subset of what the same call
        without D(t) returns.
    """
    if share <= 0:
        # The training sets are read from the store, which takes time, and nothing is held out.
        return frozenset()
    splitter = _Splitter(share)
    for dataset in datasets:
        splitter.add(dataset)
    return splitter.held_out()


class _Splitter:
    def __init__(self, share: float) -> None:
        self._share = share
        self._copies = NearCopies()
        self._members: defaultdict[int, list[int]] = defaultdict(list)
        self._trained: set[int] = set()
        self._validating: set[int] = set()

    def add(self, dataset: Sequence[Origin]) -> None:
        seeds: defaultdict[int, list[int]] = defaultdict(list)
        for origin in dataset:
            group, merged = self._copies.add(origin.instruction)
            self._merge(group, merged, seeds)
            seeds[group].append(origin.seed)
            self._members[group].append(origin.seed)
        self._choose(seeds, math.floor(len(dataset) * self._share + 1e-9))

    def held_out(self) -> frozenset[int]:
        return frozenset(seed for group in self._validating for seed in self._members[group])

    def _merge(self, group: int, merged: Sequence[int], seeds: defaultdict[int, list[int]]) -> None:
        for other in merged:
            seeds[group] += seeds.pop(other, [])
            self._members[group] += self._members.pop(other, [])
            for side in (self._trained, self._validating):
                if other in side:
                    side.remove(other)
                    side.add(group)
        if group in self._trained:
            self._validating.discard(group)

    def _choose(self, seeds: defaultdict[int, list[int]], most: int) -> None:
        """Assign the groups of a training set that have no side yet."""
        groups = {group: values for group, values in seeds.items() if values}
        room = most - sum(len(groups[group]) for group in groups if group in self._validating)
        for group in sorted(groups, key=lambda group: min(groups[group])):
            if group in self._trained or group in self._validating:
                continue
            if len(groups[group]) <= room:
                room -= len(groups[group])
                self._validating.add(group)
            else:
                self._trained.add(group)
