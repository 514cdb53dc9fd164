"""`prompt-completion`: a prompt and a completion as messages.

TRL renders both with the chat template of the model, and computes the loss on the completion only.
"""

from __future__ import annotations

from typing import Any

from isheep.export.rows import Row, each_kept


def _columns(row: Row) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": row.message}],
        "completion": [{"role": "assistant", "content": row.response}],
        "instruction": row.instruction,
        "input": row.input,
    }


examples = each_kept(_columns)
