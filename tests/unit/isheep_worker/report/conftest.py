"""The tests of the report draw each chart once, because most of them render the same report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import vl_convert


@pytest.fixture(scope="session", autouse=True)
def _charts_are_drawn_once() -> Iterator[None]:
    draw = vl_convert.vegalite_to_svg

    @cache
    def drawn(spec: str) -> str:
        return str(draw(json.loads(spec)))

    def draw_once(spec: dict[str, Any]) -> str:
        return drawn(json.dumps(spec))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "vegalite_to_svg", draw_once)
        yield
