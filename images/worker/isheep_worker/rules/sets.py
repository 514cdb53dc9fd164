"""The rule sets that `curation.rules` names: which rules apply, and in which order.

The order decides only under which rule a row is counted, not whether it is
dropped. `ISheep` is the paper's with its released scripts; `SelfInstruct` has
Self-Instruct's own filters, with those that this parser's form needs; its rule
about one input with different outputs looks at several rows and is not here.
`None` has no rules: the paper's threshold of -1.
"""

from __future__ import annotations

from dataclasses import dataclass

from isheep_worker.rules import (
    blacklist,
    chinese,
    control_characters,
    fields,
    first_character,
    length,
    markers,
    new_turn,
    numbering,
    options,
    placeholder,
    program,
    question_back,
    url,
)
from isheep_worker.rules.interface import Pair, Rule, Task


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A named set of rules, in the order in which they are tried."""

    name: str
    instruction_rules: tuple[Rule[Task], ...]
    pair_rules: tuple[Rule[Pair], ...]


_I_SHEEP = RuleSet(
    "ISheep",
    instruction_rules=(
        control_characters.CONTROL_CHARACTERS,
        markers.CHAT_MARKER,
        markers.NO_INPUT,
        markers.EMBEDDED_LABEL,
        numbering.NUMBERING,
        length.LENGTH,
        blacklist.BLACKLIST,
        first_character.FIRST_CHARACTER,
        url.URL,
    ),
    pair_rules=(
        fields.EMPTY_RESPONSE,
        control_characters.RESPONSE_CONTROL_CHARACTERS,
        markers.RESPONSE_CHAT_MARKER,
        new_turn.NEW_TURN,
        question_back.QUESTION_BACK,
        options.OPTIONS,
        markers.RESPONSE_NO_INPUT,
        placeholder.PLACEHOLDER,
        placeholder.NONE,
        chinese.CHINESE,
        fields.INPUT_IN_INSTRUCTION,
    ),
)

_SELF_INSTRUCT = RuleSet(
    "SelfInstruct",
    instruction_rules=(
        control_characters.CONTROL_CHARACTERS,
        markers.CHAT_MARKER,
        markers.NO_INPUT,
        markers.EMBEDDED_LABEL,
        numbering.NUMBERING,
        length.LENGTH,
        blacklist.BLACKLIST,
        program.WRITE_A_PROGRAM,
        first_character.FIRST_CHARACTER,
    ),
    pair_rules=(
        fields.EMPTY_RESPONSE,
        control_characters.RESPONSE_CONTROL_CHARACTERS,
        markers.RESPONSE_CHAT_MARKER,
        fields.INPUT_EQUALS_RESPONSE,
        fields.ENDS_WITH_COLON,
    ),
)

_NO_RULES = RuleSet("None", (), ())

RULE_SETS = {rule_set.name: rule_set for rule_set in (_I_SHEEP, _SELF_INSTRUCT, _NO_RULES)}


def rule_set(name: str, language: str) -> RuleSet:
    """Return a set as it applies to a run's language (`en`, `en-GB`, `de`, …).

    Raises `KeyError` for a name that is no set.
    """
    chosen = RULE_SETS[name]
    if language.lower().partition("-")[0] == "en":
        return chosen
    return RuleSet(
        name,
        tuple(rule for rule in chosen.instruction_rules if not rule.english_only),
        tuple(rule for rule in chosen.pair_rules if not rule.english_only),
    )
