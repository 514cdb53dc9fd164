"""The charts of the report: Vega-Lite specifications, and their rendering as SVG.

Each function returns a specification, which is plain data. `svg` renders it while the report is
made, so the page needs no script and no request for its charts. Text stays text in the SVG. The
colours are variables of the page (`var(--kept)`), so one SVG serves light, dark, printed and forced
colours. The charts do not depend on colour alone: what was dropped has a dashed outline, and what
was measured on other pairs has another mark. A chart is less than 390 pixels wide, the width of a
phone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Spec = dict[str, Any]

_WIDTH = 250
_HEIGHT = 130
_CONFIG: Spec = {
    "background": None,
    # A browser's font may be wider than the one that the sizes were computed with.
    "padding": {"left": 16, "right": 16, "top": 4, "bottom": 4},
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "domainColor": "currentColor",
        "tickColor": "currentColor",
        "gridColor": "var(--line)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 190,
    },
    "legend": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "labelFontSize": 11,
        "orient": "top",
        "title": None,
    },
    "text": {"color": "currentColor", "fontSize": 11},
}
_KEPT = {"fill": "var(--kept)", "stroke": "var(--kept)", "dash": [1, 0]}
_DROPPED = {"fill": "var(--dropped)", "stroke": "currentColor", "dash": [3, 2]}
_LIMIT_OF_LINES = 400
"""The most points of a line; a longer series shows its maxima of equal stretches and its ends."""

_INTERVAL = ("difference", "lower", "upper")

BINS = {
    "load": ("model load", "var(--load)"),
    "engine": ("engine", "var(--engine)"),
    "cpu": ("CPU", "var(--cpu)"),
    "idle": ("idle", "var(--idle)"),
}
"""The bins of the time, with their names and colours."""


def funnel(steps: Sequence[Mapping[str, Any]]) -> Spec:
    """Return the bars of a funnel, one for each line that changes or states a count."""
    rows = [
        {"line": _funnel_label(step), "count": step["count"], "part": _part(step["kind"])}
        for step in steps
        if step["kind"] != "note"
    ]
    y = {"field": "line", "type": "nominal", "sort": None, "title": None}
    x = _quantity("count", "texts, instructions or pairs")
    bars = {"mark": {"type": "bar", "strokeWidth": 1}, "encoding": _kept_and_dropped()}
    text = {
        "mark": {"type": "text", "align": "left", "dx": 3},
        "encoding": {"text": {"field": "count", "type": "quantitative"}},
    }
    return _chart(rows, {"x": x, "y": y}, layer=[bars, text], width=150, height={"step": 18})


def scores(kept: Sequence[int], dropped: Sequence[int]) -> Spec:
    """Return the numbers of kept and dropped pairs with each score from 1 to 10."""
    rows = [
        {"score": score, "pairs": count, "part": part}
        for part, counts in (("kept", kept), ("dropped", dropped))
        for score, count in enumerate(counts, start=1)
    ]
    encoding = {
        "x": {"field": "score", "type": "ordinal", "title": "score", "axis": {"labelAngle": 0}},
        "y": _quantity("pairs", "pairs"),
        **_kept_and_dropped(),
    }
    return _chart(rows, encoding, mark={"type": "bar", "strokeWidth": 1})


def all_scores(counts: Sequence[int]) -> Spec:
    """Return the numbers of pairs with each score from 1 to 10, if scores decide nothing."""
    rows = [{"score": score, "pairs": count} for score, count in enumerate(counts, start=1)]
    encoding = {
        "x": {"field": "score", "type": "ordinal", "title": "score", "axis": {"labelAngle": 0}},
        "y": _quantity("pairs", "pairs"),
    }
    return _chart(rows, encoding, mark={"type": "bar", "color": "var(--kept)"})


def perplexities(bins: Mapping[str, int]) -> Spec:
    """Return the number of pairs in each bin of perplexities."""
    rows = [{"bin": label, "pairs": count} for label, count in bins.items()]
    axis = {"labelAngle": -45}
    encoding = {
        "x": {"field": "bin", "type": "ordinal", "sort": None, "title": "perplexity", "axis": axis},
        "y": _quantity("pairs", "pairs"),
    }
    return _chart(rows, encoding, mark={"type": "bar", "color": "var(--kept)"})


def losses(training: Sequence[float], validation: Sequence[float | None]) -> Spec:
    """Return the training loss as a line, and the validation loss as diamonds, by step."""
    rows: list[Spec] = [
        {"step": step, "loss": loss, "of": "training loss"} for step, loss in _thinned(training)
    ]
    rows += [
        {"step": step, "loss": loss, "of": "validation loss"}
        for step, loss in enumerate(validation, start=1)
        if loss is not None
    ]
    encoding = {"x": _step(), "y": {**_quantity("loss", "nats a token"), "scale": {"zero": False}}}
    colour = {
        "field": "of",
        "scale": {
            "domain": ["training loss", "validation loss"],
            "range": ["var(--training)", "var(--validation)"],
        },
    }
    line = {
        "transform": [{"filter": "datum.of == 'training loss'"}],
        "mark": {"type": "line", "strokeWidth": 2, "point": len(training) < 2},
        "encoding": {"color": colour},
    }
    diamonds = {
        "transform": [{"filter": "datum.of == 'validation loss'"}],
        "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 60, "opacity": 1},
        "encoding": {"color": colour},
    }
    return _chart(rows, encoding, layer=[line, diamonds])


def gradient_norms(norms: Sequence[float]) -> Spec:
    """Return the norm of the gradient before clipping, by step."""
    rows = [{"step": step, "norm": norm} for step, norm in _thinned(norms)]
    encoding = {"x": _step(), "y": _quantity("norm", "gradient norm")}
    mark = {"type": "line", "color": "var(--training)", "point": len(norms) < 2}
    return _chart(rows, encoding, mark=mark)


def has_intervals(models: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the difference of any model from M(0) has an interval with a width."""
    changes = (model["from_base"] for model in models)
    return any(change and change["lower"] != change["upper"] for change in changes)


def differences(models: Sequence[Mapping[str, Any]], unit: str) -> Spec:
    """Return the differences of the models from M(0) with their intervals, and a line at 0.

    `models` have the keys `t` and `from_base`, which is None for M(0).
    """
    rows = [
        {"model": f"M({model['t']})", **{name: change[name] for name in _INTERVAL}}
        for model in models
        if (change := model["from_base"]) and change["lower"] is not None
    ]
    x = {"field": "model", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}}
    y = {**_quantity("difference", f"minus M(0), {unit}", whole=False)}
    rule = {
        "mark": {"type": "rule", "color": "currentColor", "strokeWidth": 2},
        "encoding": {"y": {**y, "field": "lower"}, "y2": {"field": "upper"}},
    }
    point = {
        "mark": {"type": "point", "filled": True, "size": 60, "color": "var(--kept)", "opacity": 1},
        "encoding": {"y": y},
    }
    zero = {
        "mark": {"type": "rule", "color": "currentColor", "strokeDash": [3, 2]},
        "encoding": {"y": {"datum": 0}, "x": None},
    }
    return _chart(rows, {"x": x}, layer=[zero, rule, point])


def time(rows: Sequence[Mapping[str, Any]]) -> Spec:
    """Return the seconds in each bin, one bar for each stage kind of an iteration.

    `rows` have the keys `id` and `seconds`, a mapping with the seconds of each bin.
    """
    values = [
        {"stage": row["id"], "seconds": row["seconds"][name], "bin": label, "order": order}
        for row in rows
        for order, (name, (label, _)) in enumerate(BINS.items())
    ]
    labels, colours = zip(*BINS.values(), strict=True)
    encoding = {
        "x": _quantity("seconds", "seconds", whole=False),
        "y": {"field": "stage", "type": "nominal", "sort": None, "title": None},
        "color": {"field": "bin", "scale": {"domain": list(labels), "range": list(colours)}},
        "order": {"field": "order"},
    }
    mark = {"type": "bar", "stroke": "currentColor", "strokeWidth": 0.5}
    return _chart(values, encoding, mark=mark, width=200, height={"step": 16})


def svg(spec: Spec, label: str) -> str:
    """Return a chart as an SVG element whose text alternative is `label`.

    The element has one role, that of an image, because its parts have no meaning of their own; the
    page has the same figures in a table or in a sentence.
    """
    import vl_convert  # noqa: PLC0415 (heavy)

    drawn = str(vl_convert.vegalite_to_svg(spec))
    plain = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", drawn)
    return plain.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


def _chart(
    rows: Sequence[Mapping[str, Any]],
    encoding: Spec,
    *,
    width: int = _WIDTH,
    height: int | Spec = _HEIGHT,
    **layers: Any,
) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": _CONFIG,
        "width": width,
        "height": height,
        "data": {"values": list(rows)},
        "encoding": encoding,
        **layers,
    }


def _kept_and_dropped() -> Spec:
    domain = ["kept", "dropped"]
    both = (_KEPT, _DROPPED)
    return {
        "fill": {"field": "part", "scale": _scale(domain, [part["fill"] for part in both])},
        "stroke": {"field": "part", "scale": _scale(domain, [part["stroke"] for part in both])},
        "strokeDash": {"field": "part", "scale": _scale(domain, [part["dash"] for part in both])},
    }


def _scale(domain: Sequence[str], values: Sequence[Any]) -> Spec:
    return {"domain": list(domain), "range": list(values)}


def _quantity(field: str, title: str, *, whole: bool = True) -> Spec:
    axis = {"tickCount": 4, **({"format": "~s"} if whole else {})}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis}


def _step() -> Spec:
    axis = {"tickCount": 5, "tickMinStep": 1}
    return {"field": "step", "type": "quantitative", "title": "optimizer step", "axis": axis}


def _part(kind: str) -> str:
    return "dropped" if kind == "drop" else "kept"


def _funnel_label(step: Mapping[str, Any]) -> str:
    sign = {"drop": "\N{MINUS SIGN} ", "added": "+ "}.get(step["kind"], "")
    return f"{sign}{step['label']}"


def _thinned(values: Sequence[float]) -> list[tuple[int, float]]:
    """Return the values with their steps: all of them, or the maxima of equal stretches."""
    numbered = list(enumerate(values, start=1))
    stretch = -(-len(numbered) // _LIMIT_OF_LINES)
    if stretch <= 1:
        return numbered
    parts = [numbered[at : at + stretch] for at in range(0, len(numbered), stretch)]
    peaks = [max(part, key=lambda one: one[1]) for part in parts]
    return sorted({numbered[0], *peaks, numbered[-1]})
