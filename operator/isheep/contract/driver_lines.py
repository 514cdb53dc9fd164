"""The lines that the local driver writes to a worker process: orders, and requests for room.

Each line is JSON: an order, or `{"roomFor": <order>}`. With the second one, the driver asks a
process with a loaded engine whether the engine can stay while another process executes the order, a
training. The process frees its GPU and answers with the line `{"type": "room", "keeps": true}`. If
the engine cannot stay, `keeps` is false, and the driver ends the process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from isheep.contract.order import ContractError, StageOrder, canonical_order, parse_order

_ROOM_FOR = "roomFor"


@dataclass(frozen=True, slots=True)
class RoomRequest:
    """A request for the memory that another process needs for an order."""

    order: StageOrder


def room_line(order: StageOrder) -> str:
    """Return the line that asks for the memory for an order."""
    return f'{{"{_ROOM_FOR}":{canonical_order(order)}}}'


def parse_driver_line(text: str) -> StageOrder | RoomRequest:
    """Return the message of a line.

    Raises:
        ContractError: The line is not a valid message, or its order is not valid.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ContractError(f"the line of the driver is not JSON: {error}") from error
    if isinstance(document, dict) and _ROOM_FOR in document:
        return RoomRequest(parse_order(json.dumps(document[_ROOM_FOR])))
    return parse_order(text)
