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
    environment.globals["polyline"] = polyline
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


def polyline(values: Sequence[float], width: int, height: int) -> str:
    """Return an SVG polyline's points for values spread over a box, highest at the top."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = width / max(len(values) - 1, 1)
    return " ".join(
        f"{index * step:.1f},{height - (value - low) / span * height:.1f}"
        for index, value in enumerate(values)
    )
