"""The fixtures of the local runs: a tiny chat model, and a real SeaweedFS."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from .tiny_chat_model import tiny_chat_model


def _seaweedfs() -> Any:
    """Return the fixture `seaweedfs` of the store's tests."""
    path = Path(__file__).parents[1] / "store" / "conftest.py"
    spec = importlib.util.spec_from_file_location("isheep_store_fixtures", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.seaweedfs


seaweedfs = _seaweedfs()


@pytest.fixture(scope="session")
def tiny_chat_model_dir() -> Path:
    """The folder of the model of `tiny_chat_model.py`."""
    return tiny_chat_model()
