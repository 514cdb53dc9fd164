"""The log and the result of a worker, with a stage program that needs no model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import Outcome, StageOrder
from isheep.logs import TextFormatter
from isheep.recipes.settings import StageSettings
from isheep_worker.execution.commit import commit, commit_parts
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.missing_parts import MissingParts
from isheep_worker.execution.parts import FilledPart
from isheep_worker.execution.single_writer import write_parts
from isheep_worker.process import worker as worker_module
from isheep_worker.process.worker import Worker
from isheep_worker.runtime.errors import BadInputError, StoppedError
from isheep_worker.runtime.meter import Meter
from isheep_worker.runtime.orders import Shard
from isheep_worker.runtime.progress import Progress
from isheep_worker.runtime.stopping import StopFlag

GENERATED = "Generated text."
ALONE = Shard(0, 1)
Program = Callable[[StageContext[StageSettings]], StageOutcome]


def in_parts(context: StageContext[StageSettings]) -> StageOutcome:
    """Make 100 items in two parts, the parts of this worker only."""
    missing = MissingParts(context, 100)
    for part in missing.numbers:
        items = 64 if part == 0 else 36
        lines = [f'{{"text": "{GENERATED}"}}'.encode()] * items
        missing.write(part, FilledPart(lines, {"completions": items, "drop:length": 1}))
    return commit_parts(context, 2, examples={"length": [GENERATED]})


def alone(context: StageContext[StageSettings]) -> StageOutcome:
    """Make 70 items in two parts without knowing their number before."""
    count = write_parts(context, [GENERATED.encode()] * 70)
    parts = context.artifacts.collect_parts(context.step.key, count)
    return commit(context, {"kept": 70}, parts=parts)


class Lines:
    """The log lines since the last call, without their times."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def __call__(self) -> list[str]:
        formatter = TextFormatter()
        lines = [formatter.format(record).partition(" ")[2] for record in self._caplog.records]
        self._caplog.clear()
        return lines


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    with caplog.at_level(logging.INFO):
        yield Lines(caplog)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Returns a function that runs an order with a program, as one of several workers."""

    def start(order: StageOrder, program: Program, shard: Shard = ALONE) -> Any:
        monkeypatch.setattr(worker_module, "stage_program", lambda _: SimpleNamespace(run=program))
        monkeypatch.setattr(worker_module, "read_settings", lambda _: StageSettings())
        ticks = iter(range(1000, 2000))
        worker = Worker(
            StopFlag(),
            Meter(lambda: 0.0),
            Progress(lambda _: None),
            shard,
            now=lambda: float(next(ticks)),
        )
        return worker.run(order)

    return start


ABOUT = "namespace=default run=demo stage=i1/x attempt=2 key=000000000000"


def test_a_stage_logs_its_begin_its_parts_and_its_end_with_counts_and_seconds(
    make_order, run, lines
) -> None:
    assert run(make_order("curate"), in_parts).outcome is Outcome.COMMITTED
    found = lines()
    assert found == [
        f"INFO isheep_worker.process.worker stage begins {ABOUT} worker=0 workers=1",
        f"INFO isheep_worker.execution.context part written {ABOUT} part=0 items=64 items_done=64 "
        "seconds=1.0 items_total=100 parts=2",
        f"INFO isheep_worker.execution.context part written {ABOUT} part=1 items=36 "
        "items_done=100 seconds=2.0 items_total=100 parts=2",
        f"INFO isheep_worker.process.worker stage ends {ABOUT} outcome=Committed adopted=False "
        "seconds=4.0 load_seconds=0.0 engine_seconds=0.0 cpu_seconds=0.0 completions=100",
    ]
    assert GENERATED not in str(found)


def test_a_stage_of_one_worker_logs_its_parts(make_order, run, lines) -> None:
    run(make_order("curate"), alone)
    found = lines()
    assert [line.partition(ABOUT)[2] for line in found[1:3]] == [
        " part=0 items=64 items_done=64 seconds=1.0",
        " part=1 items=6 items_done=70 seconds=2.0",
    ]
    assert found[-1].endswith(" kept=70")
    assert GENERATED not in str(found)


def test_a_committed_stage_is_adopted_and_its_end_is_logged(make_order, run, lines) -> None:
    run(make_order("curate"), in_parts)
    lines()

    def fail(_: StageContext[StageSettings]) -> StageOutcome:
        raise AssertionError("the stage is committed")

    result = run(make_order("curate"), fail)
    assert result.steps[0].adopted
    begins, ends = lines()
    assert "stage begins" in begins
    assert "outcome=Committed adopted=True" in ends
    assert ends.endswith(" completions=100")


def test_a_worker_of_several_ends_a_stage_partially_until_the_last_part_is_stored(
    make_order, run, lines
) -> None:
    assert run(make_order("curate"), in_parts, Shard(1, 2)).outcome is Outcome.PARTIAL
    begins, part, ends = lines()
    assert begins.endswith("worker=1 workers=2")
    assert "part=1 items=36 items_done=36" in part
    assert "outcome=Partial adopted=False" in ends
    assert run(make_order("curate"), in_parts, Shard(0, 2)).outcome is Outcome.COMMITTED


def test_a_stop_is_logged_and_is_no_error(make_order, run, lines) -> None:
    def stop(_: StageContext[StageSettings]) -> StageOutcome:
        raise StoppedError("stopped on request")

    assert run(make_order("curate"), stop).exit_code == ExitCode.STOPPED
    assert lines()[1:] == [
        "INFO isheep_worker.process.worker stage stopped run=demo stage=i1/x attempt=2 "
        'exit_code=143 reason=Stopped error="stopped on request"'
    ]


@pytest.mark.parametrize(
    ("error", "exit_code", "fields"),
    [
        (BadInputError("no model"), ExitCode.BAD_INPUT, 'reason=BadInput error="no model"'),
        (
            KeyError("x"),
            ExitCode.DEFECT,
            'reason=Defect error="KeyError (message not shown) at isheep_worker/process/worker.py:',
        ),
    ],
)
def test_a_failure_is_logged_with_its_reason_and_a_defect_with_its_traceback(
    error: Exception, exit_code: ExitCode, fields: str, make_order, run, lines
) -> None:
    def fail(_: StageContext[StageSettings]) -> StageOutcome:
        raise error

    assert run(make_order("curate"), fail).exit_code == exit_code
    _, failed, *rest = lines()
    assert failed.startswith(
        "ERROR isheep_worker.process.worker stage failed run=demo stage=i1/x attempt=2 "
        f"exit_code={int(exit_code)} {fields}"
    )
    assert [line.partition("\n")[0] for line in rest] == (
        ["ERROR isheep_worker.process.worker traceback of the defect:"]
        if exit_code is ExitCode.DEFECT
        else []
    )
