"""Resolving what a spec leaves to its recipe."""

import pytest

from isheep.api.run import SelfAlignmentRunSpec
from isheep.recipes.defaults import resolve
from isheep.recipes.registry import RECIPES


def resolved(recipe, **fields):
    document = {"recipe": recipe, "iterations": 1, "model": {"storageUri": "hf://a/b"}}
    return resolve(SelfAlignmentRunSpec.read({**document, **fields}))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resolved_spec_has_no_auto(recipe):
    spec = resolved(recipe)
    assert spec.curation.rules != "Auto"
    assert spec.selection.method != "Auto"
    assert resolve(spec) == spec


@pytest.mark.parametrize(
    ("recipe", "rules", "examples", "method"),
    [
        ("ISheep", "ISheep", 5, "SelfAssessment"),
        ("SelfInstruct", "SelfInstruct", 8, "None"),
        ("Alpaca", "SelfInstruct", 3, "None"),
        ("Dromedary", "Dromedary", 5, "None"),
    ],
)
def test_each_recipe_has_its_own_defaults(recipe, rules, examples, method):
    spec = resolved(recipe, instructions={"count": 77, "maxRounds": 3}, selection={"minSamples": 9})
    assert (spec.curation.rules, spec.instructions.examples_per_prompt) == (rules, examples)
    assert (spec.instructions.count, spec.instructions.max_rounds) == (77, 3)
    assert (spec.selection.method, spec.selection.min_samples) == (method, 9)


@pytest.mark.parametrize("rules", ["ISheep", "SelfInstruct", "None"])
def test_rules_of_the_run_are_kept(rules):
    curation = {"rules": rules, "dropLast": "Always"}
    spec = resolved("Alpaca", curation=curation, alpaca={"examplesPerPrompt": 4})
    assert (spec.curation.rules, spec.curation.drop_last) == (rules, "Always")
    assert spec.instructions.examples_per_prompt == 4


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("method", ["SelfAssessment", "Perplexity", "None"])
def test_a_selection_method_of_the_run_is_kept(recipe, method):
    assert resolved(recipe, selection={"method": method}).selection.method == method
