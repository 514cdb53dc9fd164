"""The rows of a training: those of the kept pairs, without the pairs that are held out."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from isheep_worker.rows.schema import SELECTIONS, SelectionRow
from isheep_worker.stages.train import _rows, _seed
from isheep_worker.training.holdout import Origin, held_out

SETTINGS: Any = SimpleNamespace(
    random_seed=3, max_samples=None, take=None, max_length=8, validation_share=0.3
)
DATA = {
    key: [
        SelectionRow(f"{key}{n}", f"Describe {word} {key}.", "", word, "stop", n != 2, None)
        for n, word in enumerate(("rivers", "birds", "snow", "bread", "glass", "wool"))
    ]
    for key in ("one", "two")
}


def test_one_pass_over_each_training_set_makes_the_rows_and_the_split() -> None:
    read: list[str] = []

    def lines(key: str) -> Iterator[bytes]:
        read.append(key)
        return (SELECTIONS.encode(row) for row in DATA[key])

    context: Any = SimpleNamespace(
        settings=SETTINGS,
        step=SimpleNamespace(inputs={"data": list(DATA)}),
        artifacts=SimpleNamespace(read_lines=lines),
    )
    split, counts = _rows(context, lambda *_: [1, 2], lambda row: [len(row.response)])

    assert read == list(DATA)
    assert (counts.kept, len(split.train), len(split.validation)) == (10, 8, 2)
    origins = [
        [Origin(_seed(SETTINGS, "validation", row), row.instruction) for row in rows if row.kept]
        for rows in DATA.values()
    ]
    assert set(split.validation.seeds.tolist()) == held_out(origins, 0.3)
