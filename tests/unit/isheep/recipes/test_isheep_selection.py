"""The stages of I-SHEEP for each selection method: which stage judges the pairs, and how."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.recipes.interface import Stage

from .isheep_stages import TWO_ITERATIONS, all_accepted, spec_of, walk

CLUSTERS = {"clusters": 3000}
LEVELS = {"levels": ["Quality", "Following"], "threshold": 8}


@pytest.mark.parametrize("method", ["Random", "None"])
def test_without_an_assessor_select_applies_the_pair_rules(method: str) -> None:
    selection = {"method": method, **({"random": {"size": 70}} if method == "Random" else {})}
    stages, end = walk(spec_of(selection=selection), all_accepted(2))
    assert [s for s in stages if "assess" in s] == []
    assert stages["i1/select"].inputs == {"pairs": ("i1/respond",)}
    settings = stages["i1/select"].settings.canonical()
    assert settings["rules"] == "ISheep"
    assert "threshold" not in settings
    assert settings.get("size") == (70 if method == "Random" else None)
    assert "i1/assess" not in stages["i2/report"].inputs
    assert end.complete


@pytest.mark.parametrize(
    ("selection", "judge", "vectors", "settings"),
    [
        ({"method": "SelfAssessment"}, "assess", None, LEVELS),
        ({"method": "Perplexity"}, "measure", False, {"maxPerplexity": 50.0}),
        (
            {"method": "Perplexity", "perplexity": {"max": 9}},
            "measure",
            False,
            {"maxPerplexity": 9.0},
        ),
        ({"method": "Density"}, "measure", True, CLUSTERS),
        ({"method": "Density", "density": {"clusters": 80}}, "measure", True, {"clusters": 80}),
        ({"method": "DensityPerplexity"}, "measure", True, CLUSTERS),
        (
            {"method": "Random", "random": {"sizeOf": "SelfAssessment"}},
            "assess",
            None,
            {**LEVELS, "sizeOf": "SelfAssessment"},
        ),
        (
            {"method": "Random", "random": {"sizeOf": "Perplexity"}, "perplexity": {"max": 9}},
            "measure",
            False,
            {"maxPerplexity": 9.0, "sizeOf": "Perplexity"},
        ),
        (
            {"method": "Random", "random": {"sizeOf": "Density"}},
            "measure",
            True,
            {**CLUSTERS, "sizeOf": "Density"},
        ),
    ],
)
def test_each_selection_method_has_its_stages_and_settings(
    selection: dict[str, Any], judge: str, vectors: bool | None, settings: dict[str, Any]
) -> None:
    stages, end = walk(spec_of(selection=selection), all_accepted(2))
    assert list(stages) == [name.replace("/assess", f"/{judge}") for name in TWO_ITERATIONS]
    assert end.complete
    role = "scores" if judge == "assess" else "measures"
    select = stages["i2/select"]
    assert select.inputs == {"pairs": ("i2/respond",), role: (f"i2/{judge}",)}
    method = {"method": selection["method"], "randomSeed": 0}
    assert select.settings.canonical() == {"levels": [], **method, **settings}
    assert stages[f"i2/{judge}"].settings.canonical().get("vectors") == vectors
    assert f"i2/{judge}" in stages["i2/report"].inputs


def test_the_model_that_wrote_a_response_measures_it_with_the_same_prompt() -> None:
    stages, _ = walk(spec_of(selection={"method": "Perplexity"}), all_accepted(2))
    for t in (1, 2):
        respond, measure = stages[f"i{t}/respond"], stages[f"i{t}/measure"]
        assert (measure.model, measure.items) == (respond.model, respond.items)
        assert measure.pool == respond.pool
        written, measured = respond.settings.canonical(), measure.settings.canonical()
        assert measured["model"] == written["model"]
        assert measured["promptFormat"] == written["promptFormat"]
        assert measured["rules"] == "ISheep"


def test_runs_that_differ_only_in_the_selection_share_their_measures() -> None:
    def measured(**selection: Any) -> Stage:
        return walk(spec_of(selection=selection), all_accepted(1))[0]["i1/measure"]

    assert measured(method="Perplexity") == measured(method="Perplexity", perplexity={"max": 9})
    density = measured(method="Density")
    assert density == measured(method="DensityPerplexity", density={"clusters": 80})
    assert density != measured(method="Perplexity")


@pytest.mark.parametrize(
    ("selection", "given"),
    [
        ({"method": "Perplexity"}, "Nothing"),
        ({"method": "Perplexity", "perplexity": {"given": "Prompt"}}, None),
        ({"method": "Random", "random": {"sizeOf": "Perplexity"}}, "Nothing"),
        ({"method": "Density"}, None),
        ({"method": "DensityPerplexity"}, None),
    ],
)
def test_only_the_method_perplexity_measures_plain_texts(
    selection: dict[str, Any], given: str | None
) -> None:
    stages, _ = walk(spec_of(selection=selection), all_accepted(1))
    assert stages["i1/measure"].settings.canonical().get("given") == given
