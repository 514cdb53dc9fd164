"""The table at the end of `isheep run`: one row for each iteration, from its manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from isheep.api.status import SelfAlignmentRunStatus
from isheep.cli.figures.rates import duration
from isheep.local.results import committed_stages
from isheep.store.artifacts import ArtifactStore
from isheep.store.manifest import Manifest

COLUMNS = (
    "t",
    "completions",
    "parsed",
    "accepted",
    "kept",
    "mean score",
    "training loss",
    "validation loss",
    "time",
)


NOTE = (
    "(n): the number of pairs. The losses of different iterations are over different pairs, so "
    "they cannot be compared."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One iteration; a value is None if its stage is not committed or does not measure it.

    `seconds` is the total time of the committed stages, over all runs of the command.
    """

    iteration: int
    completions: float | None
    parsed: float | None
    accepted: float | None
    kept: float | None
    mean_score: float | None
    training_loss: float | None
    training_samples: float | None
    validation_loss: float | None
    validation_samples: float | None
    seconds: float


def rows(artifacts: ArtifactStore, status: SelfAlignmentRunStatus) -> list[Row]:
    """Return one row for each iteration that has a committed stage."""
    found = []
    for iteration, keys in committed_stages(status).items():
        manifests = {id_: artifacts.manifest(key) for id_, key in keys.items()}
        present = {id_: m for id_, m in manifests.items() if m is not None}
        if present:
            found.append(_row(iteration, present))
    return found


def table(found: Iterable[Row]) -> Table:
    """Return the rows as a table."""
    drawn = Table(
        *COLUMNS,
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        caption=NOTE,
        caption_justify="left",
    )
    for column in drawn.columns:
        column.justify = "right"
    for row in found:
        drawn.add_row(
            str(row.iteration),
            *(_count(n) for n in (row.completions, row.parsed, row.accepted, row.kept)),
            _figure(row.mean_score),
            _figure_of(row.training_loss, row.training_samples),
            _figure_of(row.validation_loss, row.validation_samples),
            duration(row.seconds),
        )
    return drawn


def _row(iteration: int, manifests: Mapping[str, Manifest]) -> Row:
    curates = [m.statistics for id_, m in manifests.items() if "/curate/" in id_]
    select = _statistics(manifests, f"i{iteration}/select")
    train = _statistics(manifests, f"i{iteration}/train")
    return Row(
        iteration=iteration,
        completions=_sum(curates, "completions"),
        parsed=_sum(curates, "parsed"),
        accepted=curates[-1].get("accepted") if curates else None,
        kept=select.get("kept"),
        mean_score=select.get("meanScore"),
        training_loss=train.get("trainLoss"),
        training_samples=train.get("samples"),
        validation_loss=train.get("evalLoss"),
        validation_samples=train.get("validationSamples"),
        seconds=sum(
            (m.timings.finished_at - m.timings.started_at).total_seconds()
            for m in manifests.values()
        ),
    )


def _statistics(manifests: Mapping[str, Manifest], stage: str) -> Mapping[str, Any]:
    manifest = manifests.get(stage)
    return {} if manifest is None else manifest.statistics


def _sum(statistics: Iterable[Mapping[str, Any]], name: str) -> float | None:
    figures = [one[name] for one in statistics if name in one]
    return sum(figures) if figures else None


def _count(number: float | None) -> str:
    return "–" if number is None else f"{number:.0f}"


def _figure(number: float | None) -> str:
    return "–" if number is None else f"{number:.3f}"


def _figure_of(number: float | None, samples: float | None) -> str:
    """Return a mean with the number of pairs that it is over, such as `1.234 (90)`."""
    pairs = "" if number is None or samples is None else f" ({samples:.0f})"
    return _figure(number) + pairs
