"""The internal recipe EvaluateOnly: benchmarks evaluate the base model, and nothing is trained.

`isheep evaluate MODEL` uses it. No file of a run can name it, because a run aligns a model.
"""

from __future__ import annotations

from isheep.api.recipe_definition import RecipeDefinition

EVALUATE_ONLY = RecipeDefinition(
    name="EvaluateOnly", rule_set="None", selection_method="None", trains=False
)
