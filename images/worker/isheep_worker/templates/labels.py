"""Labels: single tokens that represent the scores 1 to 10, so that one prefill gives a score.

An expected score is computed from the probabilities of the labels as the next token. The
computation has a meaning only if each label is one token at its place: the ids of prompt and label
are the ids of the prompt and one more. In addition, no label may be the beginning of another one,
because the probability of the shorter label would then include that of the longer one. The numbers
1 to 10 satisfy neither condition: `10` is two tokens for most tokenizers, and it begins with `1`.
So the prompt asks for other labels and explains them.

The text before a label decides the labels' share of the probability. A digit directly after
`Score:` has almost no probability, because the model expects a space there; after `Score: ` the
digits have almost all of it. Some tokenizers join a space and a digit into one token. So there are
several sets of labels, the best one first, and prepare uses the first set that the run's tokenizer
allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isheep.contract.choices import LabelKind

Encode = Callable[[str], list[int]]
"""Returns the token ids of a prompt with the given text added at its end."""

LEAST_MASS = 0.1
"""The smallest share of the probability that the labels may have for a pair to get a score."""

_DIGITS, _LETTERS = "0123456789", "ABCDEFGHIJ"
_OF_DIGITS = "The score is a single digit."
_OF_LETTERS = (
    "The score is a single letter: A stands for 1, B for 2, C for 3, and so on, up to J for 10."
)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Ten labels, the label of the worst score first, and the texts that ask for them.

    An answer consists of `begin` and a label; `legend` explains the labels in the prompt.
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
    """A label is not a single token at its place; the message names the label."""


def label_set(kind: LabelKind) -> LabelSet:
    """Return the set of labels of a kind."""
    return next(one for one in LABEL_SETS if one.kind == kind)


def label_token_ids(labels: LabelSet, prompts: Sequence[Encode]) -> tuple[int, ...]:
    """Return the token ids of the labels, which are the same after each prompt.

    Args:
        labels: The set of labels.
        prompts: Functions that encode a prompt and a label; each prompt ends with `labels.begin`.

    Returns:
        The ten ids, the id of the worst score's label first.

    Raises:
        LabelError: A label is not a single token, two labels have the same token, or a label has
            different tokens after different prompts.
    """
    found = {_ids_after(labels, encode) for encode in prompts}
    if len(found) != 1:
        raise LabelError(f"{labels.kind}: the labels have different tokens after different prompts")
    return found.pop()


def _ids_after(labels: LabelSet, encode: Encode) -> tuple[int, ...]:
    prompt = encode("")
    ids: list[int] = []
    for label in labels.labels:
        longer = encode(label)
        if longer[:-1] != prompt:
            raise LabelError(
                f"{labels.kind}: {label!r} after {labels.begin!r} is not a single token"
            )
        ids.append(longer[-1])
    if len(set(ids)) < len(ids):
        raise LabelError(f"{labels.kind}: two labels have the same token")
    return tuple(ids)
