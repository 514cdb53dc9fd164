"""anchors: the assessor of a later iteration scores pairs of the first iteration again.

The prompts, the sampling and the model are those of assess in the later iteration, and the pairs
are the same in all iterations. So a difference between the scores is a change of the assessor. The
selection reads none of these scores. Each pod draws the same pairs from the first scores: among all
pairs with scores, and not among those of D(1). D(1) has the pairs with high scores, of which some
were high by chance, so a second score would be lower without any change of the assessor.
"""

from __future__ import annotations

from collections.abc import Iterator

from isheep.recipes.settings import AnchorSettings
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.stages import assess
from isheep_worker.stages.controls import score_drawn
from isheep_worker.templates.longest_prompts import Known, LongestPrompt


def run(context: StageContext[AnchorSettings]) -> StageOutcome:
    """Score this worker's parts, and commit the stage if all its parts exist."""
    return score_drawn(context, lambda pairs, items: pairs[items.start : items.stop])


def longest_prompts(settings: AnchorSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the longest prompts of assess, which are about the same kind of pairs."""
    yield from assess.longest_prompts(settings, known)
