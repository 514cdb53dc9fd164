"""What `isheep compare` finds out about runs: plain data, which text and JSON are made from.

The comparison states no order of the runs. Every figure has the number of rows that it rests on,
and `NOTE` says which figures no comparison of runs can use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.status import IterationRecord
from isheep.planner.pinning import Resolved
from isheep.planner.seen_fields import ONE_OF
from isheep.planner.types import RunView

NOTE = (
    "(n): the number of pairs that a figure is over. The mean scores and losses of different runs, "
    "and of different iterations, are over different pairs, so they are not comparable. A lower "
    "loss or a higher score here does not mean a better model."
)
YARDSTICK_NOTE = (
    "A comparison on a yardstick or a benchmark, or by a judge, is one of M(t) with M(0) of the "
    "same run. It does not compare two runs."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs: its dotted path and its value in each run, None if it is absent."""

    field: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class FunnelLine:
    """A line of the funnels of one iteration, with the count of each run or None."""

    label: str
    kind: str
    counts: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one iteration; `rows` is the number of pairs that a mean is over.

    A number of items and a sum rest on no other rows, so their `rows` are None. `text` is the
    figure for people, a mean with its number of pairs, such as `8.500 (90)`.
    """

    name: str
    value: float
    text: str
    rows: int | None = None


def resolved_spec(run: RunView) -> dict[str, Any]:
    """Return the spec of a run with its defaults, as its plans use it if it was planned."""
    if run.status.resolved is not None:
        resolved = Resolved.model_validate(run.status.resolved)
        if resolved.generation == run.generation:
            return SelfAlignmentRunSpec.read_stored(resolved.spec).document()
    return SelfAlignmentRunSpec.read_stored(dict(run.spec)).document()


def pinned_values(run: RunView) -> dict[str, Any]:
    """Return the values that a run was planned with and that its spec does not contain.

    The digests of its inputs, such as the commit of the model, and the versions of its stages are
    pinned when it starts. Two runs with equal specs can differ in them.
    """
    if run.status.resolved is None:
        return {}
    resolved = Resolved.model_validate(run.status.resolved)
    return {
        "inputs": resolved.inputs,
        "stageVersions": resolved.stage_versions,
        "workerImage": resolved.worker_image or None,
    }


def differences(values: Sequence[Any], path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Yield the fields in which JSON values differ, sorted; the values are one for each run."""
    one_value = bool(path) and path[0] in ONE_OF
    if all(isinstance(value, Mapping) for value in values) and not one_value:
        for name in sorted({name for value in values for name in value}):
            yield from differences([value.get(name) for value in values], (*path, name))
    elif any(value != values[0] for value in values):
        yield Difference(".".join(path), tuple(values))


def funnel_lines(funnels: Sequence[Iterable[tuple[str, str, int]] | None]) -> list[FunnelLine]:
    """Return the lines of several funnels side by side, in an order that keeps that of each.

    Args:
        funnels: The label, kind and count of each line, for each run; None for a run without this
            iteration.
    """
    counts = [_numbered(lines or ()) for lines in funnels]
    order: list[_Line] = []
    for found in counts:
        position = 0
        for line in found:
            if line in order:
                position = max(position, order.index(line) + 1)
            else:
                order.insert(position, line)
                position += 1
    return [
        FunnelLine(line[0], line[1], tuple(found.get(line) for found in counts)) for line in order
    ]


_Line = tuple[str, str, int]
"""The label and the kind of a line, and the number of equal lines before it in its funnel."""


def _numbered(lines: Iterable[tuple[str, str, int]]) -> dict[_Line, int]:
    seen: Counter[tuple[str, str]] = Counter()
    found = {}
    for label, kind, count in lines:
        found[label, kind, seen[label, kind]] = count
        seen[label, kind] += 1
    return found


def figures(record: IterationRecord) -> list[Figure]:
    """Return the figures of a finished iteration that it has."""
    counts = {
        "completions": record.completions,
        "accepted": record.accepted,
        "kept": record.kept,
    }
    means = {
        "mean score": (record.mean_score, record.kept),
        "training loss": (record.training_loss, record.training_samples),
        "validation loss": (record.validation_loss, record.validation_samples),
    }
    found = [Figure(name, n, str(n)) for name, n in counts.items() if n is not None]
    for name, (mean, rows) in means.items():
        if mean is not None:
            known = "unknown" if rows is None else rows
            found.append(Figure(name, mean, f"{mean:.3f} ({known})", rows))
    if record.gpu_seconds is not None:
        found.append(Figure("GPU seconds", record.gpu_seconds, f"{record.gpu_seconds:.0f}"))
    return found
