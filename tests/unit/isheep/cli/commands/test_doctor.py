"""`isheep doctor` before its first request. tests/control_plane/test_doctor.py has its checks."""

import sys


def test_without_the_client_it_prints_the_pip_command(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    result = shell("doctor", "run.yaml", "-n", "team-a")
    assert result.exit_code == 64
    assert result.stderr.endswith("pip install 'isheep[cluster]'\n")
