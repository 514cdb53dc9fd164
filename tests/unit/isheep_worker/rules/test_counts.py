"""Drop counts: all drops are counted; the examples are few and short."""

from isheep_worker.rules.counts import DropCounts
from isheep_worker.rules.interface import Drop


def test_all_drops_are_counted_and_the_first_five_are_examples() -> None:
    counts = DropCounts()
    for number in range(7):
        counts.add(Drop("length", f"{number} words"), f"text {number}")
    counts.add(Drop("url", "https:"), "x" * 1000)
    length, url = counts.by_rule()["length"], counts.by_rule()["url"]
    assert (length.count, url.count, counts.total) == (7, 1, 8)
    assert [example.text for example in length.examples] == [f"text {n}" for n in range(5)]
    assert length.examples[2].detail == "2 words"
    assert url.examples[0].text == "x" * 199 + "…"
