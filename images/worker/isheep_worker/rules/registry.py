"""The registry of all names under which a text can be dropped.

The rules of the sets come from `sets.py`, the rules over topics from `topic.py`, and all other
reasons from `drop_reasons.py`. A rule that a set contains is registered by that; a new reason is
one entry in `drop_reasons.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from isheep_worker.rules.drop_reasons import (
    DROP_REASONS,
    EMPTY_REPLY,
    LEAKED_THOUGHTS,
    NO_REPLY,
)
from isheep_worker.rules.interface import Example, GroupRule, Rule
from isheep_worker.rules.sets import RULE_SETS, RuleSet
from isheep_worker.rules.topic import TOPIC_RULES


@dataclass(frozen=True, slots=True)
class RegisteredRule:
    """A rule and the sets that contain it; a rule over topics is in no set."""

    rule: Rule[Any] | GroupRule
    sets: tuple[str, ...] = ()

    @property
    def english_only(self) -> bool:
        """Whether the rule applies to runs in English only."""
        return isinstance(self.rule, Rule) and self.rule.english_only

    @property
    def examples(self) -> tuple[Example | str, ...]:
        """The row that the rule drops, or the rows that a group rule drops together."""
        example = self.rule.example
        return example if isinstance(example, tuple) else (example,)


def _registered(
    rules_of: Callable[[RuleSet], Iterable[Rule[Any] | GroupRule]],
) -> tuple[RegisteredRule, ...]:
    """Return the rules of one kind, each once, in the order of the sets."""
    rules = dict.fromkeys(rule for rule_set in RULE_SETS.values() for rule in rules_of(rule_set))
    return tuple(
        RegisteredRule(
            rule, tuple(name for name, rule_set in RULE_SETS.items() if rule in rules_of(rule_set))
        )
        for rule in rules
    )


INSTRUCTION_RULES = _registered(lambda rule_set: rule_set.instruction_rules)
PAIR_RULES = _registered(lambda rule_set: rule_set.pair_rules)
GROUP_RULES = _registered(lambda rule_set: rule_set.group_rules)
REGISTERED_TOPIC_RULES = tuple(RegisteredRule(rule) for rule in TOPIC_RULES)

PAIR_RULE_NAMES: frozenset[str] = frozenset(
    (
        *(registered.rule.name for registered in PAIR_RULES),
        NO_REPLY.name,
        EMPTY_REPLY.name,
        LEAKED_THOUGHTS.name,
    )
)
"""The names under which a pair is dropped before it is scored or measured."""


def all_names() -> frozenset[str]:
    """Return every name that a row, a statistic or a message can contain."""
    rules = (*INSTRUCTION_RULES, *PAIR_RULES, *GROUP_RULES, *REGISTERED_TOPIC_RULES)
    return frozenset(
        (
            *(registered.rule.name for registered in rules),
            *(name for reason in DROP_REASONS for name in reason.names),
        )
    )
