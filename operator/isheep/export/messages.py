"""`messages`: one list of messages, the form that most chat trainers read."""

from __future__ import annotations

from typing import Any

from isheep.export.rows import Row, each_kept


def _columns(row: Row) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": row.message},
            {"role": "assistant", "content": row.response},
        ],
        "instruction": row.instruction,
        "input": row.input,
    }


examples = each_kept(_columns)
