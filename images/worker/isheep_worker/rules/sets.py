"""The rule sets that `curation.rules` selects: the rules that apply, and their order.

The order decides the rule under which a dropped row is counted, not whether the row is dropped.

- `ISheep` has the rules of the paper (§3.2) and of its released scripts.
- `ISheepCode` is ISheep with three better rules: about options, questions back and new turns, it
  spares code and what the task asks for. It is ours, for users who do not reproduce the paper.
- `SelfInstruct` has Self-Instruct's filters, and the rules that the form of this parser needs. Its
  rule about one input with different outputs reads all pairs of an instruction.
- `Dromedary` passes two kinds of rows that other sets drop: tasks that a language model cannot
  perform (so it has no blacklist), because red-teaming is about them, and questions back, because
  its principles ask for one if a task is unclear.
- Each of these sets drops responses that were cut (`cut`) and responses that contain thoughts
  (`thinking`). With `responses.cut: Keep` the first rule does not apply. With `responses.thinking:
  Keep` all rules see the answer without the block of thoughts before it.
- `None` has no rules, like the paper's runs with a threshold of -1 (§4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from isheep.contract.choices import FaultyResponses
from isheep.contract.language_mismatch import is_english
from isheep_worker.rules import (
    blacklist,
    chinese,
    conflicting_outputs,
    control_characters,
    cut,
    embedded_label,
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
    thinking,
    unrequested_options,
    unrequested_question,
    unrequested_turn,
    url,
)
from isheep_worker.rules.interface import GroupRule, Pair, Rule, Task


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A named set of rules, in the order in which they are applied."""

    name: str
    instruction_rules: tuple[Rule[Task], ...]
    pair_rules: tuple[Rule[Pair], ...]
    group_rules: tuple[GroupRule, ...] = ()


_I_SHEEP = RuleSet(
    "ISheep",
    instruction_rules=(
        control_characters.CONTROL_CHARACTERS,
        markers.CHAT_MARKER,
        markers.NO_INPUT,
        embedded_label.EMBEDDED_LABEL,
        numbering.NUMBERING,
        length.LENGTH,
        blacklist.BLACKLIST,
        first_character.FIRST_CHARACTER,
        url.URL,
    ),
    pair_rules=(
        fields.EMPTY_RESPONSE,
        cut.CUT,
        control_characters.RESPONSE_CONTROL_CHARACTERS,
        thinking.THINKING,
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

_REPLACED = {
    question_back.QUESTION_BACK: unrequested_question.UNREQUESTED_QUESTION,
    options.OPTIONS: unrequested_options.UNREQUESTED_OPTIONS,
    new_turn.NEW_TURN: unrequested_turn.UNREQUESTED_TURN,
}
_I_SHEEP_CODE = replace(
    _I_SHEEP,
    name="ISheepCode",
    pair_rules=tuple(_REPLACED.get(rule, rule) for rule in _I_SHEEP.pair_rules),
)

_SELF_INSTRUCT = RuleSet(
    "SelfInstruct",
    instruction_rules=(
        control_characters.CONTROL_CHARACTERS,
        markers.CHAT_MARKER,
        markers.NO_INPUT,
        embedded_label.EMBEDDED_LABEL,
        numbering.NUMBERING,
        length.LENGTH,
        blacklist.BLACKLIST,
        program.WRITE_A_PROGRAM,
        first_character.FIRST_CHARACTER,
    ),
    pair_rules=(
        fields.EMPTY_RESPONSE,
        cut.CUT,
        control_characters.RESPONSE_CONTROL_CHARACTERS,
        thinking.THINKING,
        markers.RESPONSE_CHAT_MARKER,
        fields.INPUT_EQUALS_RESPONSE,
        fields.ENDS_WITH_COLON,
    ),
    group_rules=(conflicting_outputs.CONFLICTING_OUTPUTS,),
)

_DROMEDARY = RuleSet(
    "Dromedary",
    instruction_rules=(
        control_characters.CONTROL_CHARACTERS,
        markers.CHAT_MARKER,
        markers.NO_INPUT,
        embedded_label.EMBEDDED_LABEL,
        numbering.NUMBERING,
        length.LENGTH,
        first_character.FIRST_CHARACTER,
        url.URL,
    ),
    pair_rules=(
        fields.EMPTY_RESPONSE,
        cut.CUT,
        control_characters.RESPONSE_CONTROL_CHARACTERS,
        thinking.THINKING,
        markers.RESPONSE_CHAT_MARKER,
        unrequested_turn.UNREQUESTED_TURN,
        fields.ENDS_WITH_COLON,
    ),
)

_NO_RULES = RuleSet("None", (), ())

RULE_SETS = {
    rule_set.name: rule_set
    for rule_set in (_I_SHEEP, _I_SHEEP_CODE, _SELF_INSTRUCT, _DROMEDARY, _NO_RULES)
}


def rule_set(name: str, language: str, cut_responses: FaultyResponses | None = None) -> RuleSet:
    """Return the rules of a set that apply to a run.

    Args:
        name: The name of the set.
        language: The run's language, such as `en`, `en-GB` or `de`.
        cut_responses: What happens to responses that ended by length; None means Drop.

    Returns:
        The set; without the rules that assume English if the language is another one, and without
        the rule `cut` if such responses are kept.

    Raises:
        KeyError: No set has the name.
    """
    chosen = RULE_SETS[name]
    if cut_responses == "Keep":
        kept = tuple(rule for rule in chosen.pair_rules if rule is not cut.CUT)
        chosen = replace(chosen, pair_rules=kept)
    if is_english(language):
        return chosen
    return RuleSet(
        name,
        tuple(rule for rule in chosen.instruction_rules if not rule.english_only),
        tuple(rule for rule in chosen.pair_rules if not rule.english_only),
        chosen.group_rules,
    )


def rule_names() -> list[str]:
    """Return the names of the rules of all sets, each once, in the order of the sets."""
    rules = (rule for a_set in RULE_SETS.values() for rule in _rules_of(a_set))
    return list(dict.fromkeys(rule.name for rule in rules))


def rules_named(name: str) -> RuleSet:
    """Return the rules of one name: the rule over instructions, the rule over pairs, or both.

    The rules apply in every language, because the user selected the rule by its name. If no rule
    has the name, the set is empty.
    """
    sets = RULE_SETS.values()
    instruction_rules = (r for a_set in sets for r in a_set.instruction_rules if r.name == name)
    pair_rules = (r for a_set in sets for r in a_set.pair_rules if r.name == name)
    return RuleSet(name, tuple(dict.fromkeys(instruction_rules)), tuple(dict.fromkeys(pair_rules)))


def _rules_of(a_set: RuleSet) -> tuple[Rule[Pair], ...]:
    return (*a_set.instruction_rules, *a_set.pair_rules)
