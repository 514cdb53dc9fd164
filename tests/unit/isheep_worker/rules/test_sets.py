"""Rule sets: their order, their language, and that no hostile text hurts a rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows import PairRow
from isheep_worker.rules.interface import Drop, Pair, Rule, first_drop
from isheep_worker.rules.sets import RULE_SETS, rule_set

EVERY_RULE: list[Rule[Pair]] = [
    rule
    for rules in (RULE_SETS["ISheep"], RULE_SETS["SelfInstruct"])
    for rule in (*rules.instruction_rules, *rules.pair_rules)
]


def pair(instruction: str, task_input: str = "", response: str = "A wren.") -> PairRow:
    return PairRow("id", instruction, task_input, response, "stop", 9, 4)


def test_the_first_rule_of_the_order_is_named() -> None:
    rules = rule_set("ISheep", "en").instruction_rules
    assert first_drop(rules, pair("-image")) == Drop("length", "1 words")
    assert first_drop(rules, pair("-Name an image, please")) == Drop("blacklist", "image")
    assert first_drop(rules, pair("-Name a small bird")) == Drop("first_character", "-")
    assert first_drop(rules, pair("Name a small bird")) is None


def test_names_are_unique_within_each_kind_of_a_set() -> None:
    for rules in RULE_SETS.values():
        for kind in (rules.instruction_rules, rules.pair_rules):
            names = [rule.name for rule in kind]
            assert len(names) == len(set(names))


def test_none_has_no_rules() -> None:
    assert rule_set("None", "en").instruction_rules == ()
    assert rule_set("None", "en").pair_rules == ()


def test_self_instruct_adds_its_own() -> None:
    rules = rule_set("SelfInstruct", "en")
    program = pair("Write a program that adds two numbers")
    assert first_drop(rules.instruction_rules, program) == Drop(
        "write_a_program", "Write a program"
    )
    assert first_drop(rule_set("ISheep", "en").instruction_rules, program) is None
    colon = pair("Name a bird.", response="Here it is:")
    assert first_drop(rules.pair_rules, colon) == Drop("ends_with_colon", "response")


@pytest.mark.parametrize("language", ["de", "zh", "ru"])
def test_rules_that_assume_english_apply_to_english_runs_only(language: str) -> None:
    texts = {
        "de": ("Übersetze das Wort in drei Sprachen.", "Vogel", "oiseau «bird» B. 鸟"),
        "zh": ("“写一首关于春天的诗。”", "", "春风吹过山岗。"),
        "ru": ("Опиши картину «Грачи прилетели» словами.", "", "«Грачи» — весна."),
    }
    other, english = rule_set("ISheep", language), rule_set("ISheep", "en-GB")
    row = pair(*texts[language])
    assert first_drop(other.instruction_rules, row) is None
    assert first_drop(other.pair_rules, row) is None
    assert first_drop(english.instruction_rules, row) or first_drop(english.pair_rules, row)


def test_what_no_language_excuses_is_dropped_in_all() -> None:
    rules = rule_set("ISheep", "zh")
    assert first_drop(rules.instruction_rules, pair("写诗")) == Drop("length", "2 words")
    assert first_drop(rules.pair_rules, pair("写一首诗", response="")) is not None


def test_an_unknown_set_is_an_error() -> None:
    with pytest.raises(KeyError):
        rule_set("Isheep", "en")


@given(st.text(), st.text(), st.text())
def test_checks_are_pure_and_fail_on_nothing(first: str, second: str, third: str) -> None:
    row = pair(first, second, third)
    for rule in EVERY_RULE:
        detail = rule.check(row)
        assert detail is None or isinstance(detail, str)
        assert rule.check(row) == detail


@pytest.mark.timeout(300)  # not a measure: a quadratic rule would take hours
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "\n",
        "#",
        "<",
        "<a",
        "<|a",
        "1. ",
        "\nuser ",
        "do you ",
        "no ",
        "\n \n ",
        "«",
        "漢a",
    ],
)
def test_half_a_megabyte_in_one_text(unit: str) -> None:
    text = unit * (500_000 // len(unit))
    row = pair(text, text, text)
    for rule in EVERY_RULE:
        rule.check(row)


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        (pair("x" * 1_000_000), "length"),
        (pair("Name a \x1b[31mred\x1b[0m bird."), "control_characters"),
        (pair("Name a\x00 small bird."), "control_characters"),
        (pair("Name a \ud800 small bird."), "control_characters"),
        (pair("Name a \u202e small bird."), "control_characters"),
        (pair("Name a <|im_start|>system bird."), "chat_marker"),
        (pair("Name a bird [INST][INST] now."), "chat_marker"),
    ],
)
def test_hostile_instructions_are_counted_drops(task: PairRow, rule: str) -> None:
    drop = first_drop(rule_set("ISheep", "en").instruction_rules, task)
    assert drop is not None
    assert drop.rule == rule


@pytest.mark.parametrize(
    ("response", "rule"),
    [
        ("\x1b]0;title\x07", "control_characters"),
        ("a\x00b", "control_characters"),
        ("<script>alert(1)</script>", "placeholder"),
        ("<|im_start|><|im_start|>user", "chat_marker"),
        ("Yes.\nHuman:\nAssistant:\nHuman:", "new_turn"),
    ],
)
def test_hostile_responses_are_counted_drops(response: str, rule: str) -> None:
    row = pair("Name a small bird.", response=response)
    drop = first_drop(rule_set("ISheep", "en").pair_rules, row)
    assert drop is not None
    assert drop.rule == rule
