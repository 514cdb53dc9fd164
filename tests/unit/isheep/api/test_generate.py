"""The generated files of the checkout are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from isheep.api.generate import generated, write
from isheep.api.generation.reason_pages import FOLDER

ROOT = Path(__file__).resolve().parents[4]
GENERATED = generated()


@pytest.mark.parametrize("name", GENERATED)
def test_generated_files_are_up_to_date(name: str) -> None:
    written = (ROOT / name).read_text(encoding="utf-8")
    assert written == GENERATED[name], f"{name}: run `python -m isheep.api.generate`"


def test_all_generated_files_are_written_and_pages_of_former_reasons_removed(
    tmp_path: Path,
) -> None:
    former = tmp_path / FOLDER / "Former.md"
    former.parent.mkdir(parents=True)
    former.touch()
    write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("**/*.*")}
    assert written == set(GENERATED)


def test_the_checkout_has_no_page_of_a_former_reason() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.md")}
    assert pages == {name for name in GENERATED if name.startswith(FOLDER)}
