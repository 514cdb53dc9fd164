from __future__ import annotations

from contextlib import suppress

from isheep_worker.runtime.meter import Activity, Meter, Seconds


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_every_second_is_counted_once() -> None:
    clock = Clock()
    meter = Meter(clock)
    clock.sleep(7)  # idle time before the order
    meter.restart(before=2.0)
    clock.sleep(1)
    with meter.measure(Activity.LOAD):
        clock.sleep(10)
    with meter.measure(Activity.ENGINE):
        clock.sleep(20)
        with meter.measure(Activity.CPU):
            clock.sleep(3)
        clock.sleep(5)
    clock.sleep(4)
    assert meter.seconds() == Seconds(load=12.0, engine=25.0, cpu=8.0)


def test_an_activity_ends_when_an_exception_is_raised() -> None:
    clock = Clock()
    meter = Meter(clock)
    with suppress(ZeroDivisionError), meter.measure(Activity.ENGINE):
        clock.sleep(1)
        clock.sleep(1 / 0)
    clock.sleep(2)
    assert meter.seconds() == Seconds(engine=1.0, cpu=2.0)


def test_moved_seconds_count_for_the_other_activity() -> None:
    clock = Clock()
    meter = Meter(clock)
    with meter.measure(Activity.ENGINE):
        clock.sleep(10)
    meter.move(4.0, Activity.ENGINE, Activity.LOAD)
    assert meter.seconds() == Seconds(load=4.0, engine=6.0)


def test_each_change_of_the_activity_is_reported_once() -> None:
    changes: list[Activity] = []
    meter = Meter(Clock(), changes.append)
    with meter.measure(Activity.CPU), meter.measure(Activity.LOAD):
        pass
    assert changes == [Activity.LOAD, Activity.CPU]
