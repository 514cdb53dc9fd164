"""Fixtures for the worker's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from isheep.api.order import RunRef, Sources, StageOrder, Step
from isheep.api.store_spec import FolderStoreSpec, StoreSpec


@pytest.fixture
def make_order(tmp_path: Path) -> Callable[..., StageOrder]:
    """Returns an order of one step, in a folder store."""

    def make(kind: str = "select", version: int = 1, store: Path = tmp_path) -> StageOrder:
        step = Step(id="i1/x", kind=kind, version=version, key="0" * 64, iteration=1, settings={})
        return StageOrder(
            run=RunRef(namespace="default", name="demo", uid="u"),
            attempt=2,
            store=StoreSpec(folder=FolderStoreSpec(path=str(store))),
            sources=Sources(model="/model"),
            steps=(step,),
        )

    return make
