"""The report as one self-contained page: no script, no font, no request to anywhere.

The page carries a content security policy that forbids all of these, because its
samples are generated text; charts are plain SVG and tables, so they print and read
without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

from isheep_worker.report.visible import visible


def render(document: dict[str, Any]) -> str:
    """Return the page for a report document (see `document.py`)."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    environment.filters["duration"] = duration
    environment.globals |= {"extent": extent, "polyline": polyline, "points": points}
    source = resources.files("isheep_worker.report").joinpath("template.html").read_text("utf-8")
    return environment.from_string(source).render(**document)


def duration(seconds: float) -> str:
    """Return seconds as people say them: `41 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


Extent = tuple[float, float]
"""The lowest and the highest value of what shares a chart."""


def extent(*series: Sequence[float | None]) -> Extent:
    """Return what a chart of several series spans; gaps do not count."""
    present = [value for values in series for value in values if value is not None]
    return (min(present, default=0.0), max(present, default=0.0))


def points(
    values: Sequence[float | None], width: int, height: int, span: Extent
) -> list[tuple[str, str]]:
    """Return where values lie in a box, the highest of the extent at its top; gaps are left out."""
    low, high = span
    step = width / max(len(values) - 1, 1)
    return [
        (f"{index * step:.1f}", f"{height - (value - low) / ((high - low) or 1.0) * height:.1f}")
        for index, value in enumerate(values)
        if value is not None
    ]


def polyline(values: Sequence[float], width: int, height: int, span: Extent | None = None) -> str:
    """Return an SVG polyline's points for values in a box that spans their extent, or another."""
    places = points(values, width, height, span or extent(values))
    return " ".join(f"{x},{y}" for x, y in places)
