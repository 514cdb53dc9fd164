"""Labels: single tokens that stand for the scores 1 to 10, so that one prefill holds a score.

The expected score is read from the probabilities of the labels as the next token, which
has a meaning only if each label is one token where it stands: the ids of prompt and label
are the prompt's ids and one more. And none may be the beginning of another, or mass on
the shorter could be on its way to the longer. The scores' own names satisfy neither: `10`
is two tokens for most tokenizers, and begins with `1`. So other labels are asked for, and
which ones is part of the prompt.

How much of the probability they hold is decided by what stands before them. A bare digit
after `Score:` is next to nothing, because a space is expected there; after `Score: ` it
is nearly all. But some tokenizers join space and digit into one token, so there are
several sets, the best first, and prepare takes the first that the run's tokenizer allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isheep.recipes.settings import LabelKind

Encode = Callable[[str], list[int]]
"""Token ids of a prompt to whose end the text given is added."""

_DIGITS, _LETTERS = "0123456789", "ABCDEFGHIJ"
_OF_DIGITS = "The score is a single digit."
_OF_LETTERS = (
    "The score is a single letter: A stands for 1, B for 2, C for 3, and so on, up to J for 10."
)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Ten labels, the worst score's first, and how they are asked for.

    `begin` is what an answer begins with, the label after it; `legend` explains the labels.
    """

    kind: LabelKind
    labels: str
    begin: str
    legend: str


LABEL_SETS: tuple[LabelSet, ...] = (
    LabelSet("DigitsAfterSpace", _DIGITS, "Score: ", _OF_DIGITS),
    LabelSet("DigitsAfterNewline", _DIGITS, "Score:\n", _OF_DIGITS),
    LabelSet("LettersAfterNewline", _LETTERS, "Score:\n", _OF_LETTERS),
)


class LabelError(ValueError):
    """A label is no token of its own where it stands; the message says which."""


def label_set(kind: LabelKind) -> LabelSet:
    """Return the set of a kind."""
    return next(one for one in LABEL_SETS if one.kind == kind)


def label_token_ids(labels: LabelSet, prompts: Sequence[Encode]) -> tuple[int, ...]:
    """Return the labels' ids, the same behind each prompt; raises `LabelError`.

    The prompts are to end with what the labels' answers begin with.
    """
    found = {_ids_behind(labels, encode) for encode in prompts}
    if len(found) != 1:
        raise LabelError(f"{labels.kind}: labels are other tokens behind other prompts")
    return found.pop()


def _ids_behind(labels: LabelSet, encode: Encode) -> tuple[int, ...]:
    prompt = encode("")
    ids: list[int] = []
    for label in labels.labels:
        longer = encode(label)
        if longer[:-1] != prompt:
            raise LabelError(
                f"{labels.kind}: {label!r} behind {labels.begin!r} is not one token of its own"
            )
        ids.append(longer[-1])
    if len(set(ids)) < len(ids):
        raise LabelError(f"{labels.kind}: two labels are one token")
    return tuple(ids)
