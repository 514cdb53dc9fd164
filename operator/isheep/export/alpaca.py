"""`alpaca`: instruction, input and output as three texts, as Alpaca and LLaMA-Factory have them."""

from __future__ import annotations

from typing import Any

from isheep.export.rows import Row, each_kept


def _columns(row: Row) -> dict[str, Any]:
    return {"instruction": row.instruction, "input": row.input, "output": row.response}


examples = each_kept(_columns)
