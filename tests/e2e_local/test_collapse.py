"""benchmarks/collapse_runs.py: what it counts as a collapse, and one run of each kind."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from isheep_worker.rows.schema import EvaluationRow

from .tiny_chat_model import reply

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "collapse_runs.py"


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("collapse_runs", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def rows(texts: list[str]) -> list[EvaluationRow]:
    return [
        EvaluationRow(str(n), "Name a bird.", "", 1.0, 9, text, "stop", 9)
        for n, text in enumerate(texts)
    ]


def test_answers_of_the_grammar_have_not_collapsed_and_others_have(program: Any) -> None:
    draw = random.Random(0)
    varied = [reply(draw) for _ in range(200)]
    base = program.answers_of(rows(varied))
    assert base.sentences == 1
    assert base.words > 10
    assert base.different > 0.95
    assert not base.collapsed_from(base)
    few = program.answers_of(rows([varied[n % 4] for n in range(200)]))
    assert few.words <= 4
    assert few.collapsed_from(base)
    broken = program.answers_of(rows([*varied[:90], *["The The The"] * 110]))
    assert broken.collapsed_from(base)
    nothing = program.answers_of(rows(["", *["wren"] * 40]))
    assert (nothing.sentences, nothing.words) == (0, None)


@pytest.mark.long
def test_a_run_that_collapses_has_an_alarm_and_a_healthy_one_has_none() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--seeds", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
