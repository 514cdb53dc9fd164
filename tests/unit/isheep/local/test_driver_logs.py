"""The log lines of the local driver, which a run with the fake worker writes."""

import logging

import pytest

from isheep.logs import TextFormatter


@pytest.fixture
def lines(caplog):
    """Return a function that formats the lines logged so far, without time, level and logger."""
    caplog.set_level(logging.DEBUG, logger="isheep.local")

    def formatted(level=logging.INFO):
        records = [r for r in caplog.records if r.name.startswith("isheep.local")]
        formatter = TextFormatter()
        return [formatter.format(r).split(" ", 3)[3] for r in records if r.levelno == level]

    return formatted


def of_stage(lines, stage):
    return [line for line in lines if f" stage={stage} " in line]


def test_the_start_and_the_end_of_each_attempt_are_logged(harness, lines):
    harness.run()

    records = harness.stored().read().status.stages
    key = next(record.key for record in records if record.id == "i1/respond")
    started, ended = of_stage(lines(), "i1/respond")
    attempt = f"namespace=default run=lamb stage=i1/respond attempt=1 key={key[:12]}"
    assert started == f"Attempt started {attempt} workers=1"
    assert ended.startswith(
        f"Attempt ended {attempt} state=Succeeded exit_code=0 items=64 seconds="
    )
    assert key not in "\n".join(lines())


def test_each_change_of_the_phase_is_logged(harness, lines):
    harness.run()

    changes = [line for line in lines() if line.startswith("Phase changed")]
    run = "Phase changed namespace=default run=lamb"
    assert changes[0].startswith(f"{run} before=none phase=")
    assert changes[-1] == f"{run} before=Running phase=Succeeded reason=Succeeded"


def test_an_attempt_whose_stage_exists_is_logged_as_adopted(harness, lines):
    harness.behave("i1/respond", "adopt")

    harness.run()

    _, ended = of_stage(lines(), "i1/respond")
    assert ended.startswith("Attempt adopted ")


def test_a_stop_and_the_kill_after_a_second_request_are_logged(harness, lines):
    harness.behave("i1/respond", "stubborn")

    def stop_twice(attempt):
        if attempt.stage == "i1/respond":
            harness.stop()
            harness.stop()

    harness.listener.on_progress = stop_twice

    harness.run()

    _, stopped, killed, ended = of_stage(lines(), "i1/respond")
    assert stopped.startswith("Attempt stopped ")
    assert stopped.endswith('why="on request"')
    assert killed.startswith("Attempt killed ")
    assert "state=Failed exit_code=137" in ended


def test_a_failure_is_logged_with_its_reason_and_without_its_message(harness, lines):
    harness.behave("i1/respond", "fail 64 BadInput")

    harness.run()

    _, ended = of_stage(lines(), "i1/respond")
    assert "state=Failed exit_code=64 reason=BadInput" in ended
    assert "failed with" not in "\n".join(lines() + lines(logging.DEBUG))


def test_a_pass_without_an_action_is_logged_with_its_reason_for_debugging(harness, lines):
    harness.spec["suspend"] = True

    harness.run()

    (idle,) = lines(logging.DEBUG)
    assert idle == "Pass without an action namespace=default run=lamb reason=Suspended"


def test_no_line_reaches_a_terminal_without_a_log_handler(harness, lines):
    """Without a handler Python prints records from WARNING on, which `isheep run` must not show."""
    harness.behave("i1/respond", "fail 64 BadInput")

    harness.run()

    assert lines(logging.WARNING) == lines(logging.ERROR) == []
