"""The API's side of a recipe: its name, its defaults, its settings and its validation rules.

The CRD, the reference, the validation rules and the defaults of a run are derived from this. The
stages of a recipe are in the package `isheep.recipes`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic.alias_generators import to_camel, to_snake

from isheep.api.base import SpecModel
from isheep.api.validation_rule import ValidationRule
from isheep.contract.choices import RuleSetName, SelectionMethod, TaskListStyle


@dataclass(frozen=True, slots=True)
class RecipeDefinition:
    """One recipe as users see it.

    `rule_set` and `selection_method` are used if the run leaves `curation.rules` and
    `selection.method` at Auto. `task_list` is the style of the list of tasks in the instruction
    prompt; None means I-SHEEP's.

    `settings` is the class of the spec's field that only this recipe reads, or None if the recipe
    has no such field. `spec_rules` are validation rules of the spec, and `settings_rules` are
    validation rules of the settings. `trains` is False if the recipe only measures the base model.
    """

    name: str
    rule_set: RuleSetName
    selection_method: SelectionMethod
    task_list: TaskListStyle | None = None
    settings: type[SpecModel] | None = None
    spec_rules: tuple[ValidationRule, ...] = ()
    settings_rules: tuple[ValidationRule, ...] = ()
    trains: bool = True

    @property
    def attribute(self) -> str:
        """The name of the recipe's settings in Python: `self_instruct` for SelfInstruct."""
        return to_snake(self.name)

    @property
    def field(self) -> str:
        """The name of the recipe's settings in YAML: `selfInstruct` for SelfInstruct."""
        return to_camel(self.attribute)

    @property
    def replaces_instructions(self) -> bool:
        """Whether the settings replace examplesPerPrompt and sampling of `instructions`."""
        replaced = {"examples_per_prompt", "sampling"}
        return self.settings is not None and replaced <= self.settings.model_fields.keys()
