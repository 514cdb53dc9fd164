"""The report as one self-contained page, which makes no request.

The page has a content security policy that forbids everything except its own style and its one
script, which the policy names by a hash: the pairs are generated text. The script searches the
shown pairs, and opens what is folded before the page is printed. All else works without it.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from isheep_worker.report import charts
from isheep_worker.report.invisible_characters import show_invisible


def render(document: dict[str, Any]) -> str:
    """Return the HTML page of a report document (see `document.py`)."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["show_invisible"] = show_invisible
    environment.filters["duration"] = duration
    environment.globals |= {"charts": charts, "svg": _svg}
    script = _text("search.js")
    assets = {
        "style": Markup(_text("style.css")),  # noqa: S704 (our own file)
        "script": Markup(script),  # noqa: S704 (our own file)
        "script_hash": _hash(script),
    }
    return environment.from_string(_text("template.html")).render(**document, **assets)


def duration(seconds: float) -> str:
    """Return seconds as a readable duration: `41 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _svg(spec: charts.Spec, label: str) -> Markup:
    # Vega escapes the texts in a chart.
    return Markup(charts.svg(spec, label))  # noqa: S704


def _text(name: str) -> str:
    return resources.files("isheep_worker.report").joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    """Return the source expression of an inline script for a content security policy."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
