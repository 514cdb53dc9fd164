"""The progress of a run with and without a terminal."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console

from isheep.api.status import SelfAlignmentRunStatus
from isheep.cli.progress.live import LiveView
from isheep.cli.progress.log_lines import LogLines
from isheep.cli.progress.plain import PlainView
from isheep.local.events import AttemptEnd, AttemptView, WorkerView

START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)


def view(done=0, activity="engine", detail=""):
    worker = WorkerView(0, activity, detail)
    return AttemptView("i1/respond#2", "i1/respond", 2, START, done, 64, (worker,))


def end(error=None, adopted=False):
    return AttemptEnd("i1/respond#2", ("i1/respond",), 2, 12.0, 64, adopted, error)


def test_the_plain_view_prints_start_and_end_and_progress_every_30_seconds():
    clock, lines = Clock(), []
    plain = PlainView(lines.append, clock)
    plain.started(view())
    for _ in range(61):
        clock.wait(1)
        plain.progressed(view(done=10))
    plain.ended(end())
    assert lines == [
        "2030-01-01T00:00:00Z i1/respond: started, 64 items, attempt 2",
        "2030-01-01T00:00:30Z i1/respond: 10/64 items (engine)",
        "2030-01-01T00:01:00Z i1/respond: 10/64 items (engine)",
        "2030-01-01T00:01:01Z i1/respond: done in 12 s",
    ]


def test_both_views_print_where_a_stage_resumes_and_where_it_stopped():
    lines, screen = [], io.StringIO()
    found = replace(view(done=3), stage="i1/train", items_found=3, items_total=8)
    stopped = replace(end(error="stopped: on request"), stopped_at="i1/train after step 5 of 8")
    plain = PlainView(lines.append, Clock())
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with LiveView("lamb", 3, console, Clock()) as live:
        for listener in (plain, live):
            listener.started(found)
            for _ in range(3):
                listener.progressed(found)
            listener.ended(stopped)
            listener.ended(replace(end(error="bad template"), is_repeated=True))
    shown = [line.partition(" ")[2] for line in lines[1:]]
    assert shown == [
        "i1/train: resumes from step 3 of 8",
        "i1/respond: stopped, i1/train after step 5 of 8",
        "i1/respond: attempt 2 failed after 12 s",
    ]
    assert screen.getvalue().count("resumes from step 3 of 8") == 1
    assert "stopped, i1/train after step 5 of 8" in screen.getvalue()
    # The end of the run prints this message.
    assert "bad template" not in screen.getvalue()


def test_the_plain_view_prints_an_error_line_by_line_without_control_characters():
    lines = []
    plain = PlainView(lines.append, Clock())
    plain.ended(end(error="it died\n\x1b[31mred\x07"))
    plain.ended(end(adopted=True))
    plain.note("note\x1b")
    assert [line.partition(" ")[2] for line in lines] == [
        "i1/respond: attempt 2 failed after 12 s",
        "  it died",
        "  ?[31mred?",
        "i1/respond: already committed",
        "note?",
    ]


def test_the_live_view_shows_stage_items_rate_and_the_activity_of_workers():
    clock, screen = Clock(), io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with LiveView("lamb", 3, console, clock) as live:
        live.status(SelfAlignmentRunStatus(iteration=1, phase="Running"))
        live.started(view())
        live.progressed(view())
        clock.wait(10)
        live.progressed(view(done=32, detail="part 1 of 1\x1b"))
        live._live.refresh()
        live.note("a note")
        live.ended(end(error="died"))
        live.ended(end())
        live.ended(end(adopted=True))
    shown = screen.getvalue()
    for text in (
        "lamb  iteration 1/3  Running",
        "32/64 items, 3.2 items/s, 10 s left",
        "running the engine",
        "part 1 of 1?",
        "a note",
        "attempt 2 failed after 12 s: died",
        "already committed",
    ):
        assert text in shown


def test_both_verbose_views_print_the_lines_of_workers_before_the_end(tmp_path):
    log = tmp_path / "001.log"
    log.write_text("loading weights\n\x1b[31mred\n")
    worker = replace(view().workers[0], log=log)
    attempt = replace(view(), workers=(worker,))
    lines, screen = [], io.StringIO()
    plain = PlainView(lines.append, Clock(), LogLines())
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with LiveView("lamb", 3, console, Clock(), LogLines()) as live:
        for listener in (plain, live):
            listener.started(attempt)
            listener.progressed(attempt)
        with log.open("a") as file:
            file.write("the end")
        for listener in (plain, live):
            listener.ended(end())
    assert lines[1:3] == ["  worker 0: loading weights", "  worker 0: ?[31mred"]
    assert lines[3] == "  worker 0: the end"
    assert lines[4].endswith("i1/respond: done in 12 s")
    shown = screen.getvalue()
    for line in lines[1:4]:
        assert shown.count(line) == 1
