"""What the page says about the items that M(0) completes word for word."""

from __future__ import annotations

from isheep_worker.report.html import render

from .whole_report import whole_report


def test_the_page_counts_the_memorized_items_and_has_the_figures_without_them() -> None:
    document = whole_report()
    page = " ".join(render(document).split())
    assert (
        "M(0) completes 2 of 50 items of quiz word for word from their first half, so it was "
        "probably trained on them. 10 further items are too short to tell. Without these items: "
        "acc (Test), M(0) Raw 0.397 (58 items), M(0) Chat 0.138 (58 items), M(1) Chat 0.379 (58 "
        "items), M(2) Chat 0.741 (58 items)."
    ) in page
    (found,) = document["verdict"]["memorized"]
    found["items"] = []
    page = " ".join(render(document).split())
    assert "M(0) completes 0 of 50 items of quiz word for word from their first half. 10" in page
    assert "probably trained on them" not in page
    assert "Without these items" not in page
