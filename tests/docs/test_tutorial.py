"""The tutorial as it is printed: `make demo` with SmolLM2-135M and vLLM, and all that follows.

It takes about ten minutes on two cores, so `make test-long` runs it. `make test` runs the same
blocks on a tiny model (`test_commands.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .blocks import blocks
from .test_commands import ROOT, TUTORIAL, reader_in


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_tutorial_works_as_it_is_printed(tmp_path: Path, smollm2_dir: Path) -> None:
    assert smollm2_dir.is_dir()
    reader = reader_in(tmp_path, {})
    for block in blocks(ROOT / TUTORIAL, TUTORIAL):
        if not block.language and not block.not_run:
            reader.type(block)
    assert json.loads((tmp_path / "data.jsonl").read_text().splitlines()[0])["prompt"]
    assert "<html" in (tmp_path / "report.html").read_text()
