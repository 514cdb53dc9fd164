"""The locks avoid errors that the packages' own requirements do not exclude."""

from __future__ import annotations

import re
from pathlib import Path

LOCKS = Path(__file__).parents[3] / "requirements"


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (LOCKS / lock).read_text(), re.MULTILINE)
    return dict(found)


def test_cuda_python_does_not_overwrite_cuda_bindings() -> None:
    """Old versions contain bindings that overwrite cuda-bindings, so flashinfer fails to import."""
    found = pins("worker-gpu.txt")
    assert found["cuda-python"] == found["cuda-bindings"]
