"""controls: the assessor scores responses that were damaged on purpose.

The prompts, the sampling and the model are those of assess. The selection reads none of these
scores. The report compares them with the scores of the undamaged pairs, and so shows which kinds of
damage the scores notice. Each pod draws the same pairs from the scores of the iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from isheep.recipes.settings import AssessSettings, ControlSettings
from isheep_worker.controls.drawing import control_pairs, drawn_ids
from isheep_worker.execution.context import StageContext, StageOutcome
from isheep_worker.execution.endpoint_inference import assessor
from isheep_worker.execution.inference import (
    commit_inference,
    fill_own_parts,
    item_count,
)
from isheep_worker.execution.parts import PartProgram, part_items
from isheep_worker.rows.schema import PAIRS, SCORES, PairRow
from isheep_worker.rules.response import judged
from isheep_worker.scoring.registry import SCORING_METHODS
from isheep_worker.scoring.statistics import stage_statistics
from isheep_worker.stages import assess
from isheep_worker.stages.assess import ScoringPlan, score_part
from isheep_worker.templates.longest_prompts import Known, LongestPrompt


def run(context: StageContext[ControlSettings]) -> StageOutcome:
    """Score this worker's parts, and commit the stage if all its parts exist."""
    kinds = context.settings.kinds
    return score_drawn(context, lambda pairs, items: list(control_pairs(pairs, items, kinds)))


def longest_prompts(settings: ControlSettings, known: Known) -> Iterator[LongestPrompt]:
    """Yield the longest prompts of assess: no damage makes a response much longer."""
    yield from assess.longest_prompts(settings, known)


def score_drawn(
    context: StageContext[AssessSettings],
    chosen: Callable[[Sequence[PairRow], range], Sequence[PairRow]],
) -> StageOutcome:
    """Score pairs that are made from drawn pairs, as assess scores pairs, and commit the stage.

    Args:
        context: A stage with the inputs `scores` and `pairs`.
        chosen: Returns the pairs to score for some items of the stage, from all drawn pairs.
    """
    settings = context.settings
    items = item_count(context)
    more = () if settings.score_templates is None else (settings.score_templates,)
    inference = assessor(context, settings.templates, *more)
    scoring = SCORING_METHODS[settings.scoring].create(settings, inference, context.step.id)
    plan = ScoringPlan(settings.levels, scoring)
    pairs = drawn_pairs(context, items)

    def program(part: int) -> PartProgram:
        return score_part(plan, (), chosen(pairs, part_items(part, items)), part)

    groups = len(list(plan.scoring.rounds(plan.levels)))
    fill_own_parts(context, items, inference, program, groups)
    return commit_inference(context, items, inference, stage_statistics)


def drawn_pairs(context: StageContext[AssessSettings], count: int) -> list[PairRow]:
    """Return the drawn pairs in the order of the draw; other pairs are not kept in memory.

    Args:
        context: A stage with the inputs `scores` and `pairs`.
        count: The number of pairs to draw, among those with a score at each level.
    """
    scores = context.artifacts.read_lines(context.input_key("scores"))
    ids = drawn_ids((SCORES.decode(line) for line in scores), count)
    wanted = set(ids)
    lines = context.artifacts.read_lines(context.input_key("pairs"))
    rows = (judged(PAIRS.decode(line), context.settings.thinking) for line in lines)
    found = {row.id: row for row in rows if row.id in wanted}
    return [found[id_] for id_ in ids if id_ in found]
