"""What a lock can get wrong though every package's own wishes are met."""

from __future__ import annotations

import re
from pathlib import Path

LOCKS = Path(__file__).parents[3] / "requirements"


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (LOCKS / lock).read_text(), re.MULTILINE)
    return dict(found)


def test_cuda_python_brings_no_bindings_of_its_own() -> None:
    """Old ones do, over those of cuda-bindings; flashinfer then does not import."""
    found = pins("worker-gpu.txt")
    assert found["cuda-python"] == found["cuda-bindings"]
