"""The adapters that engines serve."""

from __future__ import annotations

import json
from pathlib import Path

from isheep_worker.engines.adapter import Adapter, read_adapter


def test_the_rank_of_an_adapter_is_read_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 12}))
    assert read_adapter("key", tmp_path) == Adapter("key", tmp_path, 12)
