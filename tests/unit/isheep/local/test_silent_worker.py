"""A worker that reports nothing for minutes: the run still says every 30 seconds that it runs."""

import itertools
from datetime import datetime

from tests.unit.isheep.local.conftest import RecordingListener, SkippedWaits

from isheep.cli.progress.plain import PROGRESS_SECONDS, PlainView
from isheep.local.driver import BEAT_SECONDS

LINES = 4


class PrintingListener(RecordingListener):
    def __init__(self, view):
        super().__init__()
        self._view = view

    def started(self, attempt):
        self._view.started(attempt)
        super().started(attempt)

    def progressed(self, attempt):
        self._view.progressed(attempt)
        super().progressed(attempt)


def test_a_worker_that_reports_nothing_has_a_line_every_30_seconds(harness):
    harness.behave("i1/respond", "hang")
    harness.inbox = waits = SkippedWaits()
    lines = []
    harness.listener = PrintingListener(PlainView(lines.append, waits))

    def respond_lines():
        return [line for line in lines if " i1/respond: " in line]

    def stop_after_some_lines(attempt):
        if attempt.stage == "i1/respond" and attempt.workers[0].activity == "engine":
            # The worker has made its only report.
            waits.skip = len(respond_lines()) <= LINES
            if not waits.skip:
                harness.stop()

    harness.listener.on_progress = stop_after_some_lines
    assert harness.run(clock=waits).end == "Stopped"

    started, *reports = respond_lines()
    assert started.endswith("started, 64 items")
    assert len(reports) == LINES
    assert {line.split(maxsplit=1)[1] for line in reports} == {"i1/respond: 0/64 items (engine)"}
    times = [datetime.fromisoformat(line.split()[0]) for line in (started, *reports)]
    for before, after in itertools.pairwise(times):
        assert PROGRESS_SECONDS <= (after - before).total_seconds() <= 30 + BEAT_SECONDS
