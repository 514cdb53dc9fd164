"""The names of rules as earlier versions wrote them, and the one table that maps them.

A rule has one name in kebab case, such as `question-back`, wherever the name appears: in rows, in
statistics (`drop:question-back`), in the report, in `isheep filter`, in the status and in messages.
The worker's registry (`isheep_worker.rules.registry`) lists all names, and
`docs/reference/rules.md` is made from the registry.

Earlier versions wrote several spellings of one name: `question_back` in rows, `rule-question_back`
in the statistics of assess and `rule:question_back` in those of select. Manifests, parts and
statuses that are stored contain these spellings. Their stages keep their versions and keys, so
nothing is computed again. Instead, each reader of names maps the old spellings by this table:
manifests and the descriptions of parts (`isheep.store.manifest`), results of workers
(`isheep.contract.order`), the status (`isheep.api.status`), rows (`isheep_worker.rows.schema`) and
the names that a user passes to `isheep filter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DROP = "drop:"
"""What the statistic that counts the drops of a rule starts with; the rule's name follows."""

_PAIR_RULES = {
    "control_characters": "control-characters",
    "chat_marker": "chat-marker",
    "noinput": "no-input",
    "empty_response": "empty-response",
    "new_turn": "new-turn",
    "question_back": "question-back",
    "options": "options",
    "placeholder": "placeholder",
    "none": "none",
    "chinese": "chinese",
    "input_in_instruction": "input-in-instruction",
    "input_equals_response": "input-equals-response",
    "ends_with_colon": "ends-with-colon",
    "no_reply": "no-reply",
    "empty_reply": "empty-reply",
    "leaked_thoughts": "leaked-thoughts",
}
"""The rules over pairs; assess and measure also wrote `rule-<name>`, and select `rule:<name>`."""

_OTHER_RULES = {
    "embedded_label": "embedded-label",
    "first_character": "first-character",
    "write_a_program": "write-a-program",
    "conflicting_outputs": "conflicting-outputs",
    "topic_length": "topic-length",
    "rouge": "rouge-l",
    "repeated_topic": "repeated-topic",
    "repeated_instance": "repeated-instance",
}

_PARSE_FAILURES = {
    "parse-empty_instruction": "parse-empty-instruction",
    "parse-broken_numbering": "parse-broken-numbering",
    "parse-repeated_input": "parse-repeated-input",
    "parse-missing_output": "parse-missing-output",
    "parse-too_long": "parse-too-long",
}

_LEVELS = {"Quality": "quality", "Following": "following"}
_SCORE_FAILURES = (
    "unparseable:empty",
    "unparseable:no-number",
    "unparseable:out-of-range",
    "unparseable:too-long",
    "unscorable:too-long",
    "unscorable:low-mass",
    "unscorable:not-a-number",
)
_MEASURE_FAILURES = ("unscorable:no-tokens", "unscorable:not-finite")

_SELECTION_REASONS = {
    "perplexity:Response": "perplexity-response",
    "perplexity:Pair": "perplexity-pair",
    "cluster:not_drawn": "cluster-not-drawn",
    "cluster:perplexity": "cluster-perplexity",
    "not_drawn": "not-drawn",
}


def _of_levels() -> dict[str, str]:
    """Return the old spellings of names that contain a level.

    Select wrote `unparseable:Quality`, and assess `unparseable-Quality-no-number`.
    """
    found = {}
    for old, new in _LEVELS.items():
        found[f"score:{old}"] = f"score-{new}"
        for reason in _SCORE_FAILURES:
            family, _, kind = reason.partition(":")
            found[f"{family}:{old}"] = f"{family}-{new}"
            found[f"{family}-{old}-{kind}"] = f"{family}-{new}-{kind}"
    return found


OLD_SPELLINGS: Mapping[str, str] = {
    **{old: new for old, new in _PAIR_RULES.items() if old != new},
    **{f"rule-{old}": new for old, new in _PAIR_RULES.items()},
    **{f"rule:{old}": new for old, new in _PAIR_RULES.items()},
    **_OTHER_RULES,
    **_PARSE_FAILURES,
    **{reason: reason.replace(":", "-") for reason in (*_SCORE_FAILURES, *_MEASURE_FAILURES)},
    **_of_levels(),
    **_SELECTION_REASONS,
}
"""Every spelling that an earlier version wrote and this version does not, with today's name."""


def current_name(name: str) -> str:
    """Return today's name of a rule; a name that has no old spelling is returned unchanged."""
    return OLD_SPELLINGS.get(name, name)


def current_statistics(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Return statistics with today's names of rules in the names that start with `drop:`.

    The counts of several spellings of one rule are added: a stage that two versions have worked on
    can contain both.
    """
    found: dict[str, Any] = {}
    for name, value in statistics.items():
        if name.startswith(DROP):
            current = DROP + current_name(name.removeprefix(DROP))
            found[current] = found[current] + value if current in found else value
        else:
            found[name] = value
    return found


def current_examples(examples: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return examples of dropped texts under today's names of their rules."""
    found: dict[str, tuple[str, ...]] = {}
    for name, texts in examples.items():
        current = current_name(name)
        found[current] = (*found.get(current, ()), *texts)
    return found
