"""No text compares two models without the number of tasks and an interval."""

from __future__ import annotations

import pytest

from isheep.api.status import YardstickRecord
from isheep.cli.figures.yardstick_text import yardstick_text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            YardstickRecord(items=60, difference=-0.0987, lower=-0.1087, upper=-0.089),
            "M(2): loss on 60 seed tasks -0.099 nats a token against M(0) (95 % interval -0.109 "
            "to -0.089)",
        ),
        (
            YardstickRecord(items=60, difference=0.01, lower=-0.1, upper=0.12),
            "M(2): loss on 60 seed tasks +0.010 nats a token against M(0) (95 % interval -0.100 "
            "to +0.120; no significant difference)",
        ),
        (
            YardstickRecord(items=24, difference=0.5),
            "M(2): loss on 24 seed tasks +0.500 nats a token against M(0); too few items (24) for "
            "an interval",
        ),
        (YardstickRecord(items=0), "M(2): loss on 0 seed tasks: not measured"),
    ],
)
def test_the_text_has_the_number_of_tasks(found: YardstickRecord, text: str) -> None:
    assert yardstick_text(2, found) == text
