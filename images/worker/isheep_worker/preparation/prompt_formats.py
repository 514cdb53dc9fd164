"""The prompt formats in which prepare renders a benchmark or a judgement.

The keys of the stages that answer it contain the digest of its document, and the document contains
the requests in all its formats. So a run with `promptFormat: Chat` shares the answers of M(0) with
a run with `Both` only if the documents of both runs have the same formats. prepare therefore
renders both formats, also if the models of the run answer in one of them only. A format in which a
task has no prompt is left out; with `Both`, such a task is refused.

A document that a run has pinned keeps its formats. Earlier versions rendered the answered formats
only, and the keys of their runs must not change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar, get_args

from isheep.contract.choices import PromptFormat
from isheep_worker.runtime.errors import BadInputError

_LOG = logging.getLogger(__name__)
FORMATS: tuple[PromptFormat, ...] = get_args(PromptFormat)
MadeT = TypeVar("MadeT")


def in_both_formats(
    answered: Sequence[PromptFormat],
    pinned: Collection[PromptFormat] | None,
    make: Callable[[Sequence[PromptFormat]], MadeT],
) -> MadeT:
    """Return what `make` makes of both formats, or of the answered ones if it refuses the other.

    Args:
        answered: The formats in which models answer.
        pinned: The formats of the document that the run has pinned; None if it has none.
        make: Renders the requests in some formats, the answered ones first.

    Raises:
        BadInputError: `make` refuses an answered format.
    """
    more = [one for one in FORMATS if one not in answered and (pinned is None or one in pinned)]
    if more:
        try:
            return make([*answered, *more])
        except BadInputError as error:
            _LOG.debug("the requests are rendered as %s only: %s", *answered, error)
    return make(answered)
