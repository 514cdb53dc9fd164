"""The registry of the guards' rules. `safeguards.rules` of a spec chooses among them."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.choices import GuardRuleName
from isheep_worker.guards import (
    certainty,
    copied_instruction,
    cut_answers,
    equal_scores,
    fewer_phrases,
    fewer_seeds,
    fewer_verbs,
    lenient_assessor,
    repeated_instructions,
    repetition,
    shorter_answers,
    similar_answers,
    similar_instructions,
    top_scores,
    yardstick_loss,
)
from isheep_worker.guards.interface import GuardRule

GUARD_RULES: Mapping[GuardRuleName, GuardRule] = {
    module.RULE.name: module.RULE
    for module in (
        yardstick_loss,
        shorter_answers,
        cut_answers,
        repetition,
        similar_answers,
        copied_instruction,
        fewer_phrases,
        similar_instructions,
        repeated_instructions,
        fewer_verbs,
        fewer_seeds,
        top_scores,
        equal_scores,
        certainty,
        lenient_assessor,
    )
}
"""Each rule under its name."""
