"""What the report reads of one stage: its times and its counts, from the stage's manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StageTime:
    """Start and end of a stage in epoch seconds, and its seconds in each bin."""

    started_at: float
    finished_at: float
    load: float
    engine: float
    cpu: float

    @property
    def accounted(self) -> float:
        """The seconds that the stage assigned to a bin."""
        return self.load + self.engine + self.cpu


@dataclass(frozen=True, slots=True)
class StageFigures:
    """The content of one stage's manifest that the report uses.

    `inputs` has the keys of the stages that it reads, by role. `devices` is the number of GPUs of
    the worker that committed the stage.
    """

    id: str
    kind: str
    iteration: int
    round: int | None
    key: str
    run_uid: str
    time: StageTime
    statistics: Mapping[str, float] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    devices: int = 0


def family(stages: Iterable[StageFigures], prefix: str) -> dict[str, float]:
    """Return the sums of the statistics whose names begin with a prefix, by the rest of the name.

    Only one stage of an iteration has the family of a mean, so a sum of one value is that mean.
    """
    sums: dict[str, float] = {}
    for stage in stages:
        for name, value in stage.statistics.items():
            if name.startswith(prefix):
                rest = name.removeprefix(prefix)
                sums[rest] = sums.get(rest, 0) + value
    return sums
