"""The registry of the guards' rules, with the default settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from isheep.contract.choices import GuardRuleName, SafeguardAction
from isheep_worker.guards import (
    certainty,
    copied_instruction,
    cut_answers,
    equal_scores,
    fewer_phrases,
    fewer_seeds,
    fewer_verbs,
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
    )
}
"""Each rule under its name."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What a run does after an alarm, and the names of its rules; the defaults warn by all."""

    action: SafeguardAction = "Warn"
    rules: tuple[GuardRuleName, ...] = tuple(GUARD_RULES)

    def chosen(self) -> tuple[GuardRule, ...]:
        """Return the rules.

        Raises:
            ValueError: A name is unknown.
        """
        unknown = [name for name in self.rules if name not in GUARD_RULES]
        if unknown:
            raise ValueError(
                f"the rules {unknown} do not exist; the rules are {', '.join(GUARD_RULES)}"
            )
        return () if self.action == "Off" else tuple(GUARD_RULES[name] for name in self.rules)
