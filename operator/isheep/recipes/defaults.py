"""What a spec leaves to its recipe: here one method's defaults end and another's begin.

The API has one default a field, and a method its own. So the API says `Auto`, or keeps
a method's fields in a member of its recipe's name, and here they become what shared
stages read: nothing after this asks which recipe it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from isheep.api.alpaca import Alpaca
from isheep.api.run import SelfAlignmentRunSpec
from isheep.api.self_instruct import SelfInstruct
from isheep.recipes.settings import SelectionMethod, TaskListStyle

RULES: Mapping[str, str] = {
    "SelfInstruct": "SelfInstruct",
    "Alpaca": "SelfInstruct",
    "Dromedary": "Dromedary",
}
"""The recipes' own rule sets; Alpaca took Self-Instruct's filters over."""
METHODS: Mapping[str, SelectionMethod] = {
    "SelfInstruct": "None",
    "Alpaca": "None",
    "Dromedary": "None",
}
"""How the recipes choose among pairs, where not as I-SHEEP does: as published, they do not."""
TASK_LISTS: Mapping[str, TaskListStyle] = {"SelfInstruct": "SelfInstruct", "Alpaca": "Alpaca"}
"""How the recipes have tasks listed, where not as I-SHEEP has."""
MEMBERS: Mapping[str, str] = {"SelfInstruct": "selfInstruct", "Alpaca": "alpaca"}
"""Where recipes say how they ask for instructions, if not in `instructions`."""


def resolve(spec: SelfAlignmentRunSpec) -> SelfAlignmentRunSpec:
    """Return the spec with what it leaves to its recipe filled in."""
    updates: dict[str, object] = {}
    if spec.curation.rules == "Auto":
        rules = RULES.get(spec.recipe, "ISheep")
        updates["curation"] = spec.curation.model_copy(update={"rules": rules})
    if spec.selection.method == "Auto":
        method = METHODS.get(spec.recipe, "SelfAssessment")
        updates["selection"] = spec.selection.model_copy(update={"method": method})
    if (own := _own(spec)) is not None:
        updates["instructions"] = spec.instructions.model_copy(
            update={"examples_per_prompt": own.examples_per_prompt, "sampling": own.sampling}
        )
    return spec.model_copy(update=updates)


def instructions_member(spec: SelfAlignmentRunSpec) -> str:
    """Return the spec's member, as users write it, that says how instructions are asked for."""
    return MEMBERS.get(spec.recipe, "instructions")


def self_instruct(spec: SelfAlignmentRunSpec) -> SelfInstruct:
    """Return what Self-Instruct asks in a run."""
    return spec.self_instruct or SelfInstruct()


def _own(spec: SelfAlignmentRunSpec) -> SelfInstruct | Alpaca | None:
    if spec.recipe == "SelfInstruct":
        return self_instruct(spec)
    return (spec.alpaca or Alpaca()) if spec.recipe == "Alpaca" else None
