"""The library of templates and its checks."""

import pytest

from isheep_worker.templates.library import VARIABLES, PromptTemplateError, TemplateLibrary


def test_the_built_in_templates_pass_the_checks():
    library = TemplateLibrary()
    assert set(library.texts) == set(VARIABLES)
    assert all(library.texts.values())


def test_an_override_replaces_one_text_and_its_digest():
    own = TemplateLibrary({"response-raw": "{{ instruction }} / {{ input }}"})
    assert own.render("response-raw", instruction="a", input="b") == "a / b"
    assert own.digest("response-raw") != TemplateLibrary().digest("response-raw")
    assert own.digest("instructions") == TemplateLibrary().digest("instructions")


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("greeting", "hi", ["'greeting'", "there is no template with this name", "response-raw"]),
        ("response-raw", "a\n{{ instructio }}", ["'response-raw'", "line 2", "'instructio'"]),
        ("response-raw", "{{ instruction }}", ["'response-raw'", "never uses 'input'"]),
        ("response-raw", "\n\n{% if %}", ["'response-raw', line 3"]),
        ("response-raw", "{{ instruction + 1 }}{{ input }}", ["does not render"]),
        ("response-raw", "{{ instruction.x }}{{ input }}", ["does not render"]),
        ("response-raw", "{{ 1 / 0 }}{{ instruction }}{{ input }}", ["does not render"]),
        ("response-raw", "", ["'response-raw'", "never uses 'input'"]),
        (
            "response-raw",
            "{{ instruction.__class__.__mro__ }}{{ input }}",
            ["does not render", "unsafe"],
        ),
        ("assess-simple", "{{ instruction }}{{ input }}{{ response }}", ["never uses 'level'"]),
    ],
)
def test_a_bad_override_is_refused_before_its_use(name: str, text: str, parts: list[str]):
    with pytest.raises(PromptTemplateError) as caught:
        TemplateLibrary({name: text})
    for part in parts:
        assert part in str(caught.value)


def test_an_error_during_a_stage_does_not_quote_a_value():
    failing = "{% if input == 'x' %}{{ {}[instruction] + 1 }}{% endif %}{{ instruction }}"
    library = TemplateLibrary({"response-raw": failing})
    with pytest.raises(PromptTemplateError, match="'response-raw' does not render") as caught:
        library.render("response-raw", instruction="a generated text", input="x")
    assert "generated" in str(caught.value.__cause__)
    assert "generated" not in str(caught.value)


def test_values_are_not_rendered_as_templates():
    hostile = "{{ 7 * 7 }} {% raw %} <b>&amp;</b>"
    library = TemplateLibrary()
    assert library.render("response-raw", instruction=hostile, input="") == hostile + "\n"


@pytest.mark.parametrize(
    ("recipe", "prefix", "count"),
    [("Alpaca", "alpaca", 1), ("SelfInstruct", "self-instruct", 4), ("Dromedary", "dromedary-", 7)],
)
def test_the_templates_of_a_recipe_are_not_part_of_runs_of_other_recipes(
    recipe: str, prefix: str, count: int
):
    own = {name for name in VARIABLES if name.startswith(prefix)}
    library = TemplateLibrary()
    assert len(own) == count
    assert library.names_of(recipe) - library.names_of("ISheep") == own


def test_the_templates_of_another_recipe_do_not_change_a_run():
    library = TemplateLibrary({"dromedary-verbose": "{{ instruction }}{{ input }}"})
    names = library.names_of("ISheep")
    assert {name: library.texts[name] for name in names}.items() <= TemplateLibrary().texts.items()
    assert sorted(names) == [
        "assess-combined",
        "assess-incontext",
        "assess-simple",
        "instructions",
        "judge-first-turn",
        "judge-pair",
        "judge-second-turn",
        "response-chat",
        "response-raw",
        "score-combined",
        "score-incontext",
        "score-simple",
    ]
