"""How many bytes of a store each run uses: what `isheep du` shows.

Several runs can use one stage, so the sum over the runs can be more than the store has. The bytes
that only one run uses are those that would be free without it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from isheep.store.documents import folder_of_runs, references
from isheep.store.interface import ObjectStore
from isheep.store.work import all_work


@dataclass(frozen=True, slots=True)
class RunUsage:
    """The bytes of the stages that a run uses, and of those that no other run uses."""

    name: str
    stages: int
    bytes: int
    bytes_alone: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The bytes of one namespace of a store.

    `stages` are the bytes of all stages. `unused` are those of stages that no run refers to, which
    includes stages that are not committed yet. `work` are checkpoints and completions of stages
    that are not finished, and `documents` are reports, logs and states of runs.
    """

    runs: tuple[RunUsage, ...]
    stages: int
    unused: int
    work: int
    documents: int


def usage(store: ObjectStore, namespace: str) -> Usage:
    """Return the bytes of a namespace; lists its objects once.

    Raises:
        StoreCorruptError: A reference from a run to a stage is damaged.
    """
    sizes: Counter[str] = Counter()
    for info in store.list(f"{namespace}/stages/"):
        sizes[info.key.split("/")[2]] += info.size
    users = _users(store, namespace)
    runs = _runs(sizes, users)
    return Usage(
        runs=runs,
        stages=sizes.total(),
        unused=sum(size for key, size in sizes.items() if not users.get(key)),
        work=_bytes(store, all_work(namespace)),
        documents=_bytes(store, folder_of_runs(namespace)),
    )


def _users(store: ObjectStore, namespace: str) -> dict[str, set[str]]:
    """Return the names of the runs that refer to each stage, by its key."""
    users: dict[str, set[str]] = defaultdict(set)
    for reference in references(store, namespace):
        users[reference.key].add(reference.run.name)
    return users


def _runs(sizes: Mapping[str, int], users: Mapping[str, set[str]]) -> tuple[RunUsage, ...]:
    stages: Counter[str] = Counter()
    total: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for key, names in users.items():
        for name in names:
            stages[name] += 1
            total[name] += sizes.get(key, 0)
        if len(names) == 1:
            alone[next(iter(names))] += sizes.get(key, 0)
    return tuple(RunUsage(name, stages[name], total[name], alone[name]) for name in sorted(stages))


def _bytes(store: ObjectStore, prefix: str) -> int:
    return sum(info.size for info in store.list(prefix))
