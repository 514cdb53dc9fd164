from types import SimpleNamespace

import pytest

from isheep.local.pool import Pool, workers_for


class FakeWorker:
    """A record of a process that was started."""

    def __init__(self, devices, index, count, warm):
        self.devices, self.share, self.warm = devices, (index, count), warm
        self.loaded, self.idle, self.alive = None, True, True
        self.keeps = False

    @property
    def blank(self):
        return self.loaded is None

    def serves(self, order):
        from isheep.local.affinity import model_of, serves

        return self.alive and serves(self.loaded, model_of(order))

    def send(self, order):
        from isheep.local.affinity import model_of

        self.loaded, self.idle = model_of(order) or self.loaded, False

    def make_room(self, order):
        return self.alive and self.keeps

    def request_end(self):
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


def order(kind, model=None, items=None, tensor_parallel_size=1, attempt=1):
    step = SimpleNamespace(
        kind=kind,
        key=f"{kind}-key",
        items=items,
        inputs={},
        settings={"model": {"baseModel": model}} if model else {},
    )
    runtime = SimpleNamespace(tensor_parallel_size=tensor_parallel_size, adapter_rank=None)
    return SimpleNamespace(steps=(step,), runtime=runtime, attempt=attempt)


@pytest.fixture
def spawned():
    return Spawned()


@pytest.fixture
def pool(spawned):
    return Pool((), spawned)


def start(pool, given):
    workers = pool.take(given)
    for worker in workers:
        worker.send(given)
    pool.start_spares(given)
    return workers


def finish(pool, workers, clean=True):
    for worker in workers:
        worker.idle = True
        pool.release(worker, clean=clean)


def execute(pool, given):
    workers = start(pool, given)
    finish(pool, workers)
    return workers[0]


def test_one_process_executes_the_orders_of_a_model_and_those_without_a_model(pool, spawned):
    kinds = [order("prepare"), order("generate", "m"), order("curate"), order("respond", "m")]
    assert len({execute(pool, given) for given in kinds}) == 1
    assert [worker.warm for worker in spawned] == [False, True]


def test_a_training_takes_the_spare_process_and_the_previous_process_ends(pool, spawned):
    first = execute(pool, order("generate", "m"))
    execute(pool, order("select"))
    trainer = execute(pool, order("train"))
    assert trainer.warm
    assert not first.alive
    assert execute(pool, order("merge")) is trainer


def test_a_report_during_the_next_iteration_keeps_its_process_until_it_has_ended(pool, spawned):
    trainer = execute(pool, order("train"))
    (reporter,) = start(pool, order("report"))
    (generator,) = start(pool, order("generate", "m2"))
    assert reporter is trainer
    assert generator is not trainer
    assert trainer.alive
    finish(pool, (reporter,))
    assert not trainer.alive
    finish(pool, (generator,))
    assert generator.alive


def test_a_stage_without_a_model_during_another_has_a_process_that_ends_with_it(pool, spawned):
    (generator,) = start(pool, order("generate", "m"))
    (reporter,) = start(pool, order("report"))
    assert reporter is not generator
    finish(pool, (reporter,))
    assert not reporter.alive
    finish(pool, (generator,))
    assert execute(pool, order("respond", "m")) is generator


def test_a_process_that_failed_is_not_used_again(pool, spawned):
    workers = start(pool, order("respond", "m"))
    finish(pool, workers, clean=False)
    assert execute(pool, order("respond", "m")) is not workers[0]


def test_a_spare_process_that_died_is_not_used(pool, spawned):
    execute(pool, order("generate", "m"))
    execute(pool, order("select"))
    spawned[-1].alive = False
    assert execute(pool, order("train")).alive


def test_each_group_of_devices_has_a_worker_with_its_share(spawned):
    pool = Pool(("0", "1", "2", "3"), spawned)
    given = order("respond", "m", items=1000, tensor_parallel_size=2)
    workers = start(pool, given)
    assert [(worker.devices, worker.share) for worker in workers] == [
        (("0", "1"), (0, 2)),
        (("2", "3"), (1, 2)),
    ]


def test_the_close_of_a_pool_ends_all_processes(pool, spawned):
    execute(pool, order("generate", "m"))
    execute(pool, order("select"))
    start(pool, order("train"))
    pool.close()
    assert spawned.alive == []


@pytest.mark.parametrize(
    ("items", "group_count", "count"),
    [
        ((None,), 8, 1),
        ((1,), 8, 1),
        ((65,), 8, 2),
        ((1000,), 8, 8),
        ((1000, 64), 8, 1),
        ((0,), 4, 1),
    ],
)
def test_an_order_has_no_more_workers_than_parts(items, group_count, count):
    steps = tuple(SimpleNamespace(items=n) for n in items)
    assert workers_for(SimpleNamespace(steps=steps), group_count) == count


def test_a_training_has_the_devices_of_all_groups_after_the_engines_ended(spawned):
    pool = Pool(("0", "1", "2", "3"), spawned)
    execute(pool, order("respond", "m", items=1000))
    engines = spawned.alive
    assert len(engines) == 4
    (trainer,) = start(pool, order("train"))
    assert (trainer.devices, trainer.share) == (("0", "1", "2", "3"), (0, 1))
    assert not any(worker.alive for worker in engines)
    finish(pool, (trainer,))
    assert not trainer.alive
    assert len(start(pool, order("respond", "m", items=1000))) == 4
    pool.close()
    assert spawned.alive == []


def test_a_process_that_keeps_its_engine_serves_after_the_training(pool, spawned):
    engine = execute(pool, order("generate", "m"))
    engine.keeps = True
    execute(pool, order("select"))
    (trainer,) = start(pool, order("train"))
    assert trainer is not engine
    # The spare process trains, and no load follows, so there is no other spare process.
    assert trainer.warm
    assert spawned.alive == [engine, trainer]
    finish(pool, (trainer,))
    assert spawned.alive == [engine]
    assert execute(pool, order("report")) is engine
    assert execute(pool, order("generate", "m")) is engine


def test_the_model_of_an_order_is_loaded_in_an_idle_process_only(pool):
    assert not pool.has_loaded(order("generate", "m"))
    (engine,) = start(pool, order("generate", "m"))
    assert not pool.has_loaded(order("respond", "m"))
    finish(pool, (engine,))
    assert pool.has_loaded(order("respond", "m"))
    assert not pool.has_loaded(order("respond", "m2"))
    assert not pool.has_loaded(order("report"))


def test_after_a_failed_training_the_engine_ends(pool, spawned):
    engine = execute(pool, order("generate", "m"))
    engine.keeps = True
    finish(pool, start(pool, order("train")), clean=False)
    assert spawned.alive == [engine]
    trainer = execute(pool, order("train", attempt=2))
    assert not engine.alive
    assert trainer.alive


def test_engines_on_all_devices_remain_during_a_training(spawned):
    pool = Pool(("0", "1"), spawned)
    engines = start(pool, order("respond", "m", items=1000))
    finish(pool, engines)
    engines[0].keeps = True
    trainer = execute(pool, order("train"))
    assert trainer.devices == ("0", "1")
    assert spawned.alive == [engines[0]]
    again = start(pool, order("respond", "m", items=1000))
    assert again[0] is engines[0]
    assert again[1] is not engines[1]


def test_an_order_holds_the_gpus_of_its_processes():
    pool = Pool(("0", "1", "2", "3"), Spawned())
    pool.take(order("respond", "m", items=640, tensor_parallel_size=2))
    assert pool.gpus_of(order("respond", "m", tensor_parallel_size=2)) == {"nvidia.com/gpu": 2}
    assert pool.gpus_of(order("train", "m", tensor_parallel_size=2)) == {"nvidia.com/gpu": 4}
    assert pool.gpus_of(order("select", tensor_parallel_size=2)) == {}
    cpu = Pool((), Spawned())
    cpu.take(order("respond", "m"))
    assert cpu.gpus_of(order("respond", "m")) == {}
