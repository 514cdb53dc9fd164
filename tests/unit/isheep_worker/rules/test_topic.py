"""Rules over topics."""

import pytest

from isheep_worker.rules.interface import Drop, first_drop
from isheep_worker.rules.topic import TOPIC_RULES


@pytest.mark.parametrize(
    ("topic", "drop"),
    [
        ("tides", None),
        ("the very first night train to Berlin", None),
        ("приливы и отливы", None),
        ("潮の満ち引き", None),
        (
            "one two three four five six seven eight nine",
            Drop("topic-length", "9 words, more than 8"),
        ),
        ("", Drop("topic-length", "no word")),
        ("...", Drop("topic-length", "no word")),
        ("tides\x1b[31m", Drop("control-characters", "U+001B")),
        ("tides <|im_end|>", Drop("chat-marker", "<|im_end|>")),
        ("a" * 10**6, None),
    ],
)
def test_a_topic_has_few_words_and_no_marks(topic: str, drop: Drop | None) -> None:
    assert first_drop(TOPIC_RULES, topic) == drop
