"""The lines that the local driver writes to a worker."""

from __future__ import annotations

import pytest

from isheep.contract.driver_lines import RoomRequest, parse_driver_line, room_line
from isheep.contract.order import (
    ContractError,
    RunRef,
    Sources,
    StageOrder,
    Step,
    canonical_order,
)
from isheep.contract.store_spec import FolderStoreSpec, StoreSpec

ORDER = StageOrder(
    run=RunRef(namespace="n", name="r", uid="u"),
    attempt=1,
    store=StoreSpec(folder=FolderStoreSpec(path="/store")),
    sources=Sources(model="hf://org/model"),
    stage_versions={},
    steps=(Step(id="i1/train", kind="train", version=1, key="k", iteration=1, settings={}),),
)


def test_an_order_and_a_request_for_room_are_told_apart() -> None:
    assert parse_driver_line(canonical_order(ORDER)) == ORDER
    assert parse_driver_line(room_line(ORDER)) == RoomRequest(ORDER)


@pytest.mark.parametrize("line", ["", "{", "[]", "7", "{}", '{"roomFor": {}}', '{"roomFor": 1}'])
def test_a_line_that_is_neither_is_refused(line: str) -> None:
    with pytest.raises(ContractError):
        parse_driver_line(line)
