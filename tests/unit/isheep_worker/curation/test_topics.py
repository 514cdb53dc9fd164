"""Topics: a fold in canonical order, independent of the order of arrival and of rounds."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.curation.topics import CollectedTopics, collect_topics
from isheep_worker.rows.schema import TOPICS, CompletionRow

SEEDS = ["Bird migration", "tides"]


def completion(number: int, *topics: str, round_number: int = 1, cut: bool = False) -> Any:
    lines = [f"{3 + n}. {topic}" for n, topic in enumerate(topics)]
    text = "\n".join(lines).removeprefix("3.")
    return CompletionRow(round_number, number, text, "length" if cut else "stop", 100, 50)


def collect(*completions: CompletionRow, count: int = 100, **more: Any) -> CollectedTopics:
    return collect_topics(
        completions,
        iteration=1,
        count=count,
        exemplars=2,
        drop_last="IfCut",
        seeds=SEEDS,
        **more,
    )


def test_each_topic_is_accepted_dropped_or_beyond_the_count() -> None:
    collected = collect(
        completion(1, "Jazz!", "a b c d e f g h i", "comets", "tax la", cut=True),
        completion(0, "bird  migration.", "jazz", "glaciers.", "TIDES"),
        completion(2, "opera", "salt"),
        count=3,
    )
    assert [(row.id, row.topic) for row in collected.accepted] == [
        ("i1-r1-c00000-p2", "jazz"),
        ("i1-r1-c00000-p3", "glaciers"),
        ("i1-r1-c00001-p3", "comets"),
    ]
    drops = {rule: count.count for rule, count in collected.drops.by_rule().items()}
    assert drops == {"repeated-topic": 3, "topic-length": 1}
    assert collected.parse_failures == {"parse-cut": 1}
    assert (collected.completions, collected.parsed, collected.beyond_count) == (3, 9, 2)
    assert collected.parsed == collected.newly_accepted + collected.drops.total + 2


@given(
    st.lists(
        st.lists(st.sampled_from(["jazz", "Jazz.", "tides", "tax law", "…", "rain"]), min_size=1),
        min_size=2,
        max_size=8,
    ),
    st.integers(0, 2**32),
    st.integers(1, 5),
)
def test_the_order_of_arrival_and_the_rounds_do_not_change_the_result(
    lists: list[list[str]], seed: int, count: int
) -> None:
    half = len(lists) // 2
    first = [completion(n, *topics) for n, topics in enumerate(lists[:half])]
    second = [completion(n, *topics, round_number=2) for n, topics in enumerate(lists[half:])]
    shuffled = [*first, *second]
    random.Random(seed).shuffle(shuffled)
    at_once = collect(*shuffled, count=count)
    before = collect(*first, count=count)
    after = collect(*second, count=count, previous=before.accepted)
    assert after.accepted == at_once.accepted
    assert after.accepted[: len(before.accepted)] == before.accepted
    assert len(at_once.accepted) <= count
    assert [TOPICS.decode(TOPICS.encode(row)) for row in at_once.accepted] == list(at_once.accepted)
