"""The report as one self-contained page without scripts, fonts or requests.

The page has a content security policy that forbids all of these, because its samples are generated
text. Charts are plain SVG and tables, so the page can be printed and read without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

from isheep_worker.report.invisible_characters import show_invisible


def render(document: dict[str, Any]) -> str:
    """Return the HTML page of a report document (see `document.py`)."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["show_invisible"] = show_invisible
    environment.filters["duration"] = duration
    environment.globals |= {"extent": extent, "polyline": polyline, "points": points}
    source = resources.files("isheep_worker.report").joinpath("template.html").read_text("utf-8")
    return environment.from_string(source).render(**document)


def duration(seconds: float) -> str:
    """Return seconds as a readable duration: `41 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


Extent = tuple[float, float]
"""The lowest and the highest value of the series in one chart."""


def extent(*series: Sequence[float | None]) -> Extent:
    """Return the extent of several series; None is a gap and does not count."""
    present = [value for values in series for value in values if value is not None]
    return (min(present, default=0.0), max(present, default=0.0))


def points(
    values: Sequence[float | None], width: int, height: int, span: Extent
) -> list[tuple[str, str]]:
    """Return the coordinates of values in a box of pixels, without gaps.

    The highest value of the extent `span` is at the top of the box.
    """
    low, high = span
    step = width / max(len(values) - 1, 1)
    return [
        (f"{index * step:.1f}", f"{height - (value - low) / ((high - low) or 1.0) * height:.1f}")
        for index, value in enumerate(values)
        if value is not None
    ]


def polyline(values: Sequence[float], width: int, height: int, span: Extent | None = None) -> str:
    """Return the points of an SVG polyline for values in a box; `span` defaults to their extent."""
    coordinates = points(values, width, height, span or extent(values))
    return " ".join(f"{x},{y}" for x, y in coordinates)
