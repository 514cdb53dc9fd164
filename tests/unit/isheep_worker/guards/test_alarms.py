"""An alarm needs two consecutive looks beyond the limit, or one far beyond it."""

import numpy as np
import pytest

from isheep_worker.collapse.interface import Figure, mean_figure
from isheep_worker.guards.alarms import alarms
from isheep_worker.guards.interface import Alarm, GuardRule, Look, look

UP = GuardRule("Longer", "words", "Up", 2.0, False, "answers are longer")
DOWN = GuardRule("Shorter", "words", "Down", 0.2, True, "answers are shorter")
IDS = [str(place) for place in range(100)]
NOISE = np.random.default_rng(0).normal(0, 0.5, (30, 100))


def series(*means: float | None, prompt_format: str = "Chat", start: int = 0) -> list[Look]:
    """Return looks with these means of the words of 100 answers; None has no figure."""
    return [
        look(
            start + place,
            {} if mean is None else {"words": mean_figure(mean + NOISE[place], IDS)},
            prompt_format,
        )
        for place, mean in enumerate(means)
    ]


def found(looks: list[Look], *rules: GuardRule, planned: int = 20) -> list[tuple[str, int, str]]:
    return [
        (alarm.rule.name, alarm.iteration, alarm.evidence)
        for alarm in alarms(looks, rules or (UP, DOWN), planned)
    ]


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([10, 10, 10, 10], []),
        ([10, 13, 10, 13, 10], []),
        ([10, 13, 13, 10], [("Longer", 2, "Twice")]),
        ([10, 13, 13, 13], [("Longer", 2, "Twice"), ("Longer", 3, "Twice")]),
        ([10, 15, 10], [("Longer", 1, "Far")]),
        ([10, 13, None, 13], []),
        ([10, 7, 7], [("Shorter", 2, "Twice")]),
        ([10, 5], [("Shorter", 1, "Far")]),
        # The change is no chance, and it is below the limit.
        ([10, 11, 11, 11], []),
        # The values are compared with the first look, so a slow change is found.
        ([10, 11, 12, 13, 14], [("Longer", 4, "Twice")]),
        ([10], []),
        ([None, 10, 15], [("Longer", 2, "Far")]),
    ],
)
def test_alarms_of_a_series(
    means: list[float | None], expected: list[tuple[str, int, str]]
) -> None:
    assert found(series(*means)) == expected


def test_a_change_that_may_be_chance_is_no_alarm() -> None:
    noise = np.random.default_rng(1).normal(0, 30, (3, 100))
    looks = [look(t, {"words": mean_figure(noise[t] + 3 * t, IDS)}, "Chat") for t in range(3)]
    assert found(looks) == []


def test_figures_are_compared_within_one_prompt_format() -> None:
    raw, chat = series(30, prompt_format="Raw"), series(10, 10, 15, start=1)
    assert found(raw + chat) == [("Longer", 3, "Far")]


def test_a_look_with_few_items_is_not_the_one_to_compare_with() -> None:
    few = look(0, {"words": mean_figure(np.full(29, 10.0))}, "Chat")
    later = [
        look(t, {"words": mean_figure(mean + NOISE[t])}, "Chat") for t, mean in ((1, 10), (2, 15))
    ]
    assert found([few, *later]) == [("Longer", 2, "Far")]


def test_a_later_look_changes_no_earlier_alarm() -> None:
    means = [10, 13, 13, 10, 15, 7, 7]
    whole = found(series(*means))
    for count in range(len(means) + 1):
        assert found(series(*means[:count])) == [alarm for alarm in whole if alarm[1] < count]


def test_more_planned_looks_are_stricter() -> None:
    noise = np.random.default_rng(2).normal(0, 10, (2, 100))
    looks = [look(t, {"words": mean_figure(noise[t] + 6 * t, IDS)}, "Chat") for t in range(2)]
    few, many = (len(alarms(looks, (UP,), planned)) for planned in (1, 100_000))
    assert (few, many) == (1, 0)


def test_an_alarm_says_what_changed() -> None:
    (alarm,) = alarms(series(10, 15), (UP,), 5)
    assert isinstance(alarm, Alarm)
    assert alarm.items == 100
    assert alarm.first_iteration == 0
    value, first = f"{alarm.value:.3g}", f"{alarm.first_value:.3g}"
    assert alarm.sentence == (
        f"Longer: answers are longer. words rose from {first} (t = 0) to {value} "
        "(t = 1, 100 items), far beyond the limit."
    )


def test_figures_without_items_are_compared_by_their_errors() -> None:
    looks = [
        look(t, {"words": Figure(value, 500, 500, 0.1)}, "Chat")
        for t, value in enumerate([10.0, 13.0, 13.0])
    ]
    assert found(looks) == [("Longer", 2, "Twice")]


def test_looks_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="in order"):
        alarms(series(10, 10)[::-1], (UP,), 5)


def test_no_rule_and_no_look_give_no_alarm() -> None:
    assert alarms([], (UP,), 5) == ()
    assert alarms(series(10, 20), (), 5) == ()
