"""What all selection methods make of a pair: a row of D(t), or a row that says why not.

Reasons are counted in the report, so they are few: `rule:<name>` (a pair rule),
`score:<level>` (not above the threshold), `unparseable:<level>` and
`unscorable:<level>` (no score was had), `not_drawn` (Random). A level stands in
them by its name in the spec, such as `Quality`.
"""

from __future__ import annotations

from collections.abc import Mapping

from isheep_worker.rows import PairRow, SelectionRow


def selection_row(
    pair: PairRow, reason: str | None, scores: Mapping[str, float] | None = None
) -> SelectionRow:
    """Return a pair with its fate: kept where there is no reason against it."""
    return SelectionRow(
        id=pair.id,
        instruction=pair.instruction,
        input=pair.input,
        response=pair.response,
        finish_reason=pair.finish_reason,
        kept=reason is None,
        reason=reason,
        scores=dict(scores or {}),
    )
