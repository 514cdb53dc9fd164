"""`text`: the prompt and the completion as plain texts, the only format of earlier versions.

A trainer joins the two texts as they are, without a chat template and without a separator. The
format is for scripts that build their own prompts.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.export.rows import Example, Rows


def examples(rows: Rows) -> Iterator[Example]:
    """Yield one line for each row of D(t)."""
    for row in rows():
        if row.kept:
            columns = {
                "prompt": "\n".join(text for text in (row.instruction, row.input) if text),
                "completion": row.response,
                "scores": row.scores,
            }
            yield Example(columns, {"id": row.id})
