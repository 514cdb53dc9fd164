"""The sentence about data in another language than the one that is set.

The rules for English drop nearly all instructions of a data set in Chinese, and the name of the
rule does not give the reason. `isheep filter`, the report and the message of KeepRateTooLow
therefore add this sentence. All of them make it from the number of drops of one rule.
"""

from __future__ import annotations

from collections.abc import Mapping

FIRST_CHARACTER = "first-character"
"""The rule that drops instructions whose first character is not ASCII, or is punctuation."""

_NOT_OF_THE_LANGUAGE = frozenset({"surplus"})
_PARSING = "parse-"


def is_english(language: str) -> bool:
    """Return whether a language tag, such as `en-GB`, means English."""
    return language.lower().partition("-")[0] == "en"


def language_mismatch(
    dropped: int, instructions: int, setting: str, *, exact: bool = False
) -> str | None:
    """Return the sentence if most instructions seem to be in another language than English.

    Args:
        dropped: The number of instructions that the rule first-character dropped.
        instructions: The number of instructions that the rules checked.
        setting: The name of the setting for the language, such as `--language`.
        exact: Whether `dropped` counts only instructions whose first character is not ASCII.

    Returns:
        The sentence without a full stop, or None if at most half of the instructions are dropped.
    """
    if 2 * dropped <= instructions:
        return None
    what = "are not ASCII" if exact else "are not ASCII or begin with punctuation"
    return (
        f"{dropped:,} of {instructions:,} instructions {what}: if they are not in English, set "
        f"{setting} to their language"
    )


def mismatch_of_drops(drops: Mapping[str, float], accepted: float, setting: str) -> str | None:
    """Return the same sentence from the counts of a curation.

    Args:
        drops: The number of drops by the name of the rule or reason.
        accepted: The number of instructions that were accepted.
        setting: The name of the setting for the language.

    Returns:
        The sentence, or None if it does not apply.
    """
    checked = accepted + sum(
        count
        for name, count in drops.items()
        if name not in _NOT_OF_THE_LANGUAGE and not name.startswith(_PARSING)
    )
    return language_mismatch(int(drops.get(FIRST_CHARACTER, 0)), int(checked), setting)
