"""The generated files of the checkout are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from isheep.api.generate import GENERATED, write

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_files_are_up_to_date(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == GENERATED[name](), f"{name}: run `python -m isheep.api.generate`"


def test_all_generated_files_are_written(tmp_path: Path) -> None:
    write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("**/*.*")}
    assert written == set(GENERATED)
