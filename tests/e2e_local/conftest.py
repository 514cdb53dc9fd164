"""What the local runs share: a talker for a model, and a real SeaweedFS."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from .talker import talker


def _seaweedfs() -> Any:
    """Return the fixture of the store's tests: a real SeaweedFS for the session."""
    path = Path(__file__).parents[1] / "store" / "conftest.py"
    spec = importlib.util.spec_from_file_location("isheep_store_fixtures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.weed


weed = _seaweedfs()


@pytest.fixture(scope="session")
def tiny_talker_dir() -> Path:
    """The talker of `talker.py`."""
    return talker()
