"""What a run does after an alarm of a guard.

The guards look for a collapse in the answers of M(t) and in D(t). By default a run only warns,
because an alarm shows a change and not its cause.
"""

from __future__ import annotations

from typing import get_args

from pydantic import Field

from isheep.api.base import SpecModel
from isheep.contract.choices import GUARD_RULE_NAMES, DecisiveAction, GuardRuleName, SafeguardAction


class Safeguards(SpecModel):
    """The guards against a collapse, and what happens after an alarm."""

    action: SafeguardAction = Field(
        default="Warn",
        description=(
            "What happens if the answers of M(t) or the pairs of D(t) show a collapse, such as "
            "repetition, copies or saturated scores. Warn: the condition Degrading and a sentence "
            "in the report. Stop: also, no further iteration. RollBack: also, the model that wrote "
            "iteration t writes the next one, and the run stops if that one has an alarm too. Off: "
            "no such look."
        ),
    )
    rules: tuple[GuardRuleName, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=len(GUARD_RULE_NAMES),
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="The rules that raise an alarm. If absent: all.",
    )

    def chosen(self) -> tuple[GuardRuleName, ...]:
        """Return the rules that are applied, in the order of the registry."""
        if self.action == "Off":
            return ()
        wanted = GUARD_RULE_NAMES if self.rules is None else self.rules
        return tuple(name for name in GUARD_RULE_NAMES if name in wanted)

    @property
    def acts(self) -> bool:
        """Whether an alarm decides how the run goes on."""
        return self.action in get_args(DecisiveAction)
