"""The recipe ISheep, the paper's own method: all of its settings are fields that recipes share."""

from __future__ import annotations

from isheep.api.recipe_definition import RecipeDefinition

ISHEEP = RecipeDefinition(name="ISheep", rule_set="ISheep", selection_method="SelfAssessment")
