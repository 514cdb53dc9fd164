"""Recipes: each is a pure function from a run to its stages.

A recipe gets the resolved spec, the result of prepare and the statistics of the committed stages,
and nothing else. It yields the stages. The planner computes their keys, and the drivers run them.

To add a recipe, write its definition in `isheep.api`, its settings as a field of the spec, and its
stages in a module here, and add both to `isheep.api.recipe_registry` and `registry`. Both modules
also have the internal recipes, which only commands use.
"""
