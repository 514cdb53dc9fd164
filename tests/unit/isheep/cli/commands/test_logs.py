"""`isheep logs`: the logs of the workers of this machine and of pods."""

from pathlib import Path


def test_the_logs_of_this_machine_are_printed(shell):
    assert shell("run", "run.yaml").exit_code == 0
    result = shell("logs", "run.yaml")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("==> ")
    assert "ready" in lines


def test_the_number_of_lines_of_each_log_is_limited(finished):
    folder = Path("isheep-store/default/runs/lamb/logs")
    folder.mkdir()
    (folder / "i1-train-1-0.log").write_text("first\nsecond\n\x1b[31mthird\n")
    result = finished("logs", "run.yaml", "i1/train", "--tail", "2")
    assert result.exit_code == 0
    first, second, third = result.stdout.splitlines()
    assert (first, second) == ("==> i1-train-1-0.log <==", "second")
    assert "\x1b" not in third
    assert "third" in third


def test_a_run_without_logs_names_where_they_would_be(shell):
    result = shell("logs", "run.yaml", "i1/train")
    assert result.exit_code == 64
    assert "lamb has no log of i1/train" in result.stderr
    assert "isheep-store/default/runs/lamb/logs" in result.stderr
