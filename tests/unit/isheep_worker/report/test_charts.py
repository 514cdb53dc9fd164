"""The charts: their texts, and what a long or hostile input makes of them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from isheep_worker.report import charts


def texts(svg: str) -> list[str]:
    found = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return [element.text or "" for element in found]


def test_a_chart_has_its_texts_and_one_role() -> None:
    drawn = charts.svg(charts.scores([0, 2, *[0] * 8], [5, *[0] * 9]), "Scores: Quality")
    assert {"score", "pairs", "kept", "dropped", "1", "10"} <= set(texts(drawn))
    assert ET.fromstring(drawn).get("aria-label") == "Scores: Quality"
    assert re.findall(r'role="[a-z]*"', drawn) == ['role="img"']


def test_labels_are_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    steps = [{"label": hostile, "count": 3, "kind": "start", "examples": ()}]
    drawn = charts.svg(charts.funnel(steps), f'"{hostile}')
    assert "<script" not in drawn
    assert ET.fromstring(drawn).get("aria-label") == f'"{hostile}'


def test_a_long_training_keeps_its_peaks_and_its_ends() -> None:
    losses = [1.0] * 10_000
    losses[4_321], losses[-1] = 9.0, 0.5
    spec = charts.losses(losses, [None] * 9_999 + [2.0])
    points = spec["data"]["values"]
    line = [(point["step"], point["loss"]) for point in points if point["of"] == "training loss"]
    assert len(line) <= 402
    assert {(1, 1.0), (4_322, 9.0), (10_000, 0.5)} <= set(line)
    assert [point["step"] for point in points if point["of"] == "validation loss"] == [10_000]


def test_a_short_training_is_drawn_as_it_is() -> None:
    spec = charts.gradient_norms([3.0, 1.0])
    assert spec["data"]["values"] == [{"step": 1, "norm": 3.0}, {"step": 2, "norm": 1.0}]


def test_a_chart_without_values_can_be_drawn() -> None:
    assert "<svg" in charts.svg(charts.perplexities({}), "nothing")
