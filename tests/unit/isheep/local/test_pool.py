from types import SimpleNamespace

import pytest

from isheep.local.pool import Pool, workers_for


class FakeWorker:
    """A process that is only remembered."""

    def __init__(self, devices, index, count, warm):
        self.devices, self.share, self.warm = devices, (index, count), warm
        self.loaded, self.idle, self.alive = None, True, True

    @property
    def blank(self):
        return self.loaded is None

    def serves(self, order):
        from isheep.local.affinity import model_of, serves

        return self.alive and serves(self.loaded, model_of(order))

    def send(self, order):
        from isheep.local.affinity import model_of

        self.loaded, self.idle = model_of(order) or self.loaded, False

    def dismiss(self):
        pass

    def end(self):
        self.alive = False


class Spawned(list):
    def __call__(self, devices, index, count, *, warm):
        self.append(FakeWorker(devices, index, count, warm))
        return self[-1]

    @property
    def alive(self):
        return [worker for worker in self if worker.alive]


def order(kind, model=None, items=None, tensor_parallel_size=1):
    step = SimpleNamespace(
        kind=kind,
        key=f"{kind}-key",
        items=items,
        inputs={},
        settings={"model": {"baseModel": model}} if model else {},
    )
    runtime = SimpleNamespace(tensor_parallel_size=tensor_parallel_size)
    return SimpleNamespace(steps=(step,), runtime=runtime)


@pytest.fixture
def spawned():
    return Spawned()


@pytest.fixture
def pool(spawned):
    return Pool((), spawned)


def hand_out(pool, given):
    workers = pool.take(given)
    for worker in workers:
        worker.send(given)
    pool.look_ahead(given)
    return workers


def done(pool, workers, clean=True):
    for worker in workers:
        worker.idle = True
        pool.release(worker, clean=clean)


def carry_out(pool, given):
    workers = hand_out(pool, given)
    done(pool, workers)
    return workers[0]


def test_one_process_serves_a_model_and_what_needs_none(pool, spawned):
    kinds = [order("prepare"), order("generate", "m"), order("curate"), order("respond", "m")]
    assert len({carry_out(pool, given) for given in kinds}) == 1
    assert [worker.warm for worker in spawned] == [False, True]


def test_training_takes_the_spare_and_the_model_before_is_gone(pool, spawned):
    first = carry_out(pool, order("generate", "m"))
    carry_out(pool, order("select"))
    trainer = carry_out(pool, order("train"))
    assert trainer.warm
    assert not first.alive
    assert carry_out(pool, order("merge")) is trainer


def test_a_report_beside_the_next_iteration_keeps_its_process_until_it_is_done(pool, spawned):
    trainer = carry_out(pool, order("train"))
    (reporter,) = hand_out(pool, order("report"))
    (generator,) = hand_out(pool, order("generate", "m2"))
    assert reporter is trainer
    assert generator is not trainer
    assert trainer.alive
    done(pool, (reporter,))
    assert not trainer.alive
    done(pool, (generator,))
    assert generator.alive


def test_a_stage_without_a_model_beside_a_busy_one_has_a_process_that_ends_with_it(pool, spawned):
    (generator,) = hand_out(pool, order("generate", "m"))
    (reporter,) = hand_out(pool, order("report"))
    assert reporter is not generator
    done(pool, (reporter,))
    assert not reporter.alive
    done(pool, (generator,))
    assert carry_out(pool, order("respond", "m")) is generator


def test_a_process_that_failed_is_not_used_again(pool, spawned):
    workers = hand_out(pool, order("respond", "m"))
    done(pool, workers, clean=False)
    assert carry_out(pool, order("respond", "m")) is not workers[0]


def test_a_spare_that_died_is_not_given_out(pool, spawned):
    carry_out(pool, order("generate", "m"))
    carry_out(pool, order("select"))
    spawned[-1].alive = False
    assert carry_out(pool, order("train")).alive


def test_places_are_groups_of_devices_and_each_has_its_share(spawned):
    pool = Pool(("0", "1", "2", "3"), spawned)
    given = order("respond", "m", items=1000, tensor_parallel_size=2)
    workers = hand_out(pool, given)
    assert [(worker.devices, worker.share) for worker in workers] == [
        (("0", "1"), (0, 2)),
        (("2", "3"), (1, 2)),
    ]


def test_closing_ends_everything(pool, spawned):
    carry_out(pool, order("generate", "m"))
    carry_out(pool, order("select"))
    hand_out(pool, order("train"))
    pool.close()
    assert spawned.alive == []


@pytest.mark.parametrize(
    ("items", "places", "count"),
    [
        ((None,), 8, 1),
        ((1,), 8, 1),
        ((65,), 8, 2),
        ((1000,), 8, 8),
        ((1000, 64), 8, 1),
        ((0,), 4, 1),
    ],
)
def test_no_more_workers_than_parts(items, places, count):
    steps = tuple(SimpleNamespace(items=n) for n in items)
    assert workers_for(SimpleNamespace(steps=steps), places) == count
