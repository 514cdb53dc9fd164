"""The prompt with which a model invents tasks."""

from isheep_worker.templates.library import TemplateLibrary
from isheep_worker.templates.meta_prompt import Exemplar, language_name, meta_prompt, stop_string

LIBRARY = TemplateLibrary()
EXEMPLARS = [Exemplar("Name\na colour. ", ""), Exemplar("Sort the words.", " b a\nc \n")]


def test_the_list_has_the_form_that_the_parser_reads():
    assert meta_prompt(LIBRARY, EXEMPLARS).endswith(
        "\n###\n1. Instruction: Name a colour.\n1. Input:\n<noinput>\n"
        "###\n2. Instruction: Sort the words.\n2. Input:\nb a\nc\n"
        "###\n3. Instruction:"
    )


def test_everything_before_the_exemplars_is_constant():
    one, other = meta_prompt(LIBRARY, EXEMPLARS), meta_prompt(LIBRARY, EXEMPLARS[::-1])
    header = one.partition("###")[0]
    assert len(header) > 500
    assert other.startswith(header)


def test_the_prompt_contains_the_requirements():
    text = meta_prompt(LIBRARY, EXEMPLARS, language="de", number_of_tasks=12)
    for demand in ("12 tasks", "verb", "German", "one or two sentences", "100 words", "<noinput>"):
        assert demand in text
    assert "German" not in meta_prompt(LIBRARY, EXEMPLARS)
    assert "20 tasks" in meta_prompt(LIBRARY, EXEMPLARS)


def test_the_stop_string_is_the_complete_start_of_an_item():
    assert stop_string() == "\n17. Instruction:"
    assert stop_string(8) == "\n9. Instruction:"


def test_a_language_code_has_an_english_name():
    assert language_name("zh") == "Chinese"
    assert language_name("pt-BR") == "Portuguese (pt-BR)"
    assert language_name("xx") == "the language with the code xx"


def test_the_template_can_be_replaced():
    own = TemplateLibrary({"instructions": "Continue in {{ language }}.\n"})
    assert meta_prompt(own, EXEMPLARS).startswith("Continue in English.\n###\n1. Instruction:")
