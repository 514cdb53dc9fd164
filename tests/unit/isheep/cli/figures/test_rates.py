from datetime import UTC, datetime, timedelta

import pytest

from isheep.cli.figures.rates import Rate, Rates, duration
from isheep.local.events import AttemptEnd, AttemptView, WorkerView

START = datetime(2030, 1, 1, tzinfo=UTC)


def at(done, total=100, activity="engine", stage="i1/respond"):
    return AttemptView("a", stage, 1, START, done, total, (WorkerView(0, activity, ""),))


def noted(*points):
    rate = Rate()
    for seconds, view in points:
        rate.note(view, START + timedelta(seconds=seconds))
    return rate


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds, text):
    assert duration(seconds) == text


def test_the_rate_counts_neither_earlier_items_nor_the_loading_time():
    rate = noted((0, at(64, activity="load")), (50, at(64)), (60, at(84)))
    # 64 items existed before this attempt, so the rate is that of the 20 new items.
    assert rate.describe(at(84)).startswith("84/100 items")


def test_the_description_contains_the_rate_and_the_time_left_when_they_are_known():
    rate = noted((50, at(0)), (60, at(20)))
    assert rate.per_second == 2
    assert rate.describe(at(20)) == "20/100 items, 2 items/s, 40 s left"


def test_without_progress_the_description_contains_no_rate():
    assert noted((0, at(0)), (60, at(0))).describe(at(0)) == "0/100 items"
    assert noted((0, at(0, None))).describe(at(0, None)) == "running"


def test_each_stage_of_a_joined_attempt_has_its_own_rate():
    rate = noted((0, at(0)), (10, at(100)), (20, at(0, stage="i1/assess")))
    assert rate.per_second is None


def test_a_training_counts_steps_and_says_what_follows_the_last_one():
    rate = noted((0, at(0, 8, stage="i1/train")), (24, at(2, 8, stage="i1/train")))
    assert rate.describe(at(2, 8, stage="i1/train")) == (
        "2/8 steps, 12 s/step, 1 min 12 s left for the steps, "
        "then validation, sample answers and upload"
    )
    # Nothing claims that no time is left.
    assert "left" not in rate.describe(at(8, 8, stage="i1/train"))


def training(done, stage="i1/train"):
    return at(done, 8, stage=stage)


def trained(error=None):
    """The rates after a training with 8 steps of 12 s, which ended 30 s after its last step."""
    rates = Rates()
    rates.start(training(0))
    for done in range(9):
        rates.note(training(done), START + timedelta(seconds=12 * done))
    end = AttemptEnd("a", ("i1/train",), 1, 126.0, 8, False, error)
    rates.end(end, START + timedelta(seconds=96 + 30))
    return rates


def test_the_time_left_of_the_next_training_contains_what_follows_the_last_step():
    rates = trained()
    rates.start(training(0, "i2/train"))
    shown = []
    for seconds, done in ((200, 0), (210, 1), (280, 8), (300, 8), (311, 8)):
        view = training(done, "i2/train")
        rates.note(view, START + timedelta(seconds=seconds))
        shown.append(rates.describe(view).partition(" steps, ")[2].partition("/step, ")[2])
    after = "then validation, sample answers and upload"
    # 7 steps of 10 s and 30 s; after the last step, the rest of the 30 s.
    assert shown == ["", "1 min 40 s left", "30 s left", "10 s left", after]


def test_a_failed_training_shows_not_how_long_the_next_one_goes_on():
    rates = trained(error="no memory")
    rates.start(training(0, "i2/train"))
    rates.note(training(0, "i2/train"), START)
    rates.note(training(1, "i2/train"), START + timedelta(seconds=10))
    assert "1 min 10 s left for the steps, then " in rates.describe(training(1, "i2/train"))
