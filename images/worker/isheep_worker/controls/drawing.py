"""Which pairs get controls: those with the smallest hashes among the pairs that have all scores.

The hash is of the pair's id, so the draw does not depend on the number of pods. Only the ids of the
scored pairs and the drawn pairs are in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest

from isheep.contract.choices import ControlKind
from isheep_worker.controls.interface import Source
from isheep_worker.controls.registry import CONTROLS
from isheep_worker.rows.schema import PairRow, ScoreRow


def drawn_ids(rows: Iterable[ScoreRow], count: int) -> list[str]:
    """Return the ids of at most `count` pairs that have a score at each level, in random order."""
    scored = (row.id for row in rows if row.levels and all(_scored(row)))
    return nsmallest(count, scored, key=_hash)


def control_pairs(
    pairs: Sequence[PairRow], numbers: range, kinds: Sequence[ControlKind]
) -> Iterator[PairRow]:
    """Yield the controls of some of the drawn pairs.

    Args:
        pairs: All drawn pairs, in the order of the draw. A pair's neighbour gives the response to
            another instruction.
        numbers: The positions of the pairs whose controls are made.
        kinds: The kinds of the controls.

    Yields:
        A pair for each kind of damage that its response allows, with the id that `control_id` has.
    """
    for number in numbers[: max(len(pairs) - numbers.start, 0)]:
        pair, other = pairs[number], pairs[(number + 1) % len(pairs)]
        different = other.instruction != pair.instruction or other.input != pair.input
        source = Source(pair.response, other.response if different else "")
        for kind in kinds:
            response = CONTROLS[kind].damage(source)
            if response is not None and response.strip() != pair.response.strip():
                yield PairRow(
                    control_id(pair.id, kind),
                    pair.instruction,
                    pair.input,
                    response,
                    pair.finish_reason,
                    pair.prompt_tokens,
                    pair.tokens,
                )


def control_id(pair: str, kind: ControlKind) -> str:
    """Return the id of a control."""
    return f"{pair}/{kind}"


def pair_and_kind(id_: str) -> tuple[str, str]:
    """Return the id of the pair and the kind of a control."""
    pair, _, kind = id_.rpartition("/")
    return pair, kind


def _scored(row: ScoreRow) -> Iterator[bool]:
    return (score.score is not None for score in row.levels.values())


def _hash(id_: str) -> bytes:
    return hashlib.sha256(id_.encode()).digest()
