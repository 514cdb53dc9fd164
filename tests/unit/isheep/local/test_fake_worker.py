"""The fake worker divides the items of a stage as the real one does."""

from __future__ import annotations

from isheep.recipes.interface import PART_ITEMS

from .conftest import FAKE_WORKER


def test_a_part_of_the_fake_worker_has_the_items_of_a_part() -> None:
    assert f"\nPART_ITEMS = {PART_ITEMS}\n" in FAKE_WORKER.read_text("utf-8")
