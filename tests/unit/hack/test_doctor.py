"""The doctor names the package of a missing browser, and fails."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def doctor() -> ModuleType:
    """`hack/doctor.py`, which is not in a package."""
    spec = importlib.util.spec_from_file_location("doctor", ROOT / "hack/doctor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_chromium_the_tests_cannot_run(doctor, monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(doctor, "CHROMIUM", tmp_path / "chromium")
    assert doctor.main(["test"]) == 1
    output = capsys.readouterr().out
    assert "chromium is missing" in output
    assert "chromium" in output.rpartition("apt-get install -y ")[2].split()
    doctor.main(["demo"])
    assert "chromium" not in capsys.readouterr().out.lower()
