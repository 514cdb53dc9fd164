"""Rule sets: their order, their languages, and their behaviour with hostile texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.curation.deduplication import Deduplicator
from isheep_worker.rows.schema import PairRow
from isheep_worker.rules.fields import ENDS_WITH_COLON
from isheep_worker.rules.interface import Drop, Pair, Rule, first_drop
from isheep_worker.rules.markers import NO_INPUT, RESPONSE_NO_INPUT
from isheep_worker.rules.sets import RULE_SETS, rule_names, rule_set, rules_named
from isheep_worker.rules.url import URL

# Each rule once: most rules are in several sets.
EVERY_RULE: list[Rule[Pair]] = list(
    dict.fromkeys(
        rule
        for rules in RULE_SETS.values()
        for rule in (*rules.instruction_rules, *rules.pair_rules)
    )
)


def pair(instruction: str, task_input: str = "", response: str = "A wren.") -> PairRow:
    return PairRow("id", instruction, task_input, response, "stop", 9, 4)


def test_the_first_rule_that_drops_a_row_counts() -> None:
    rules = rule_set("ISheep", "en").instruction_rules
    assert first_drop(rules, pair("-image")) == Drop("length", "1 words, fewer than 4")
    assert first_drop(rules, pair("-Name an image, please")) == Drop("blacklist", "image")
    assert first_drop(rules, pair("-Name a small bird")) == Drop("first-character", "-")
    assert first_drop(rules, pair("Name a small bird")) is None


def test_the_names_in_a_set_are_unique_for_instructions_and_for_pairs() -> None:
    for rules in RULE_SETS.values():
        for kind in (rules.instruction_rules, rules.pair_rules):
            names = [rule.name for rule in kind]
            assert len(names) == len(set(names))


def test_the_set_none_has_no_rules() -> None:
    assert rule_set("None", "en").instruction_rules == ()
    assert rule_set("None", "en").pair_rules == ()


def test_self_instruct_has_rules_that_i_sheep_does_not_have() -> None:
    rules = rule_set("SelfInstruct", "en")
    program = pair("Write a program that adds two numbers")
    assert first_drop(rules.instruction_rules, program) == Drop(
        "write-a-program", "Write a program"
    )
    assert first_drop(rule_set("ISheep", "en").instruction_rules, program) is None
    colon = pair("Name a bird.", response="Here it is:")
    assert first_drop(rules.pair_rules, colon) == Drop("ends-with-colon", "response")


@pytest.mark.parametrize("language", ["de", "zh", "ru"])
def test_rules_that_assume_english_apply_to_runs_in_english_only(language: str) -> None:
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


@pytest.mark.parametrize(
    ("language", "instruction", "nearly_the_same", "another", "response"),
    [
        (
            "zh",
            "请用简单的语言解释为什么天空是蓝色的。",
            "请用简单的语言解释为什么海水是蓝色的。",
            "列出三种可以在阳台上种植的蔬菜。",
            "因为空气更容易散射蓝光。",
        ),
        (
            "ja",
            "空が青い理由を子どもにも分かるように説明してください。",
            "海が青い理由を子どもにも分かるように説明してください。",
            "ベランダで育てられる野菜を三つ挙げてください。",
            "空気は青い光をよく散らすからです。",
        ),
        (
            "th",
            "อธิบายด้วยภาษาง่าย ๆ ว่าทำไมท้องฟ้าจึงเป็นสีฟ้า",
            "อธิบายด้วยภาษาง่าย ๆ ว่าทำไมน้ำทะเลจึงเป็นสีฟ้า",
            "บอกชื่อผักสามชนิดที่ปลูกบนระเบียงได้",
            "เพราะอากาศกระเจิงแสงสีฟ้าได้ดีกว่า",
        ),
        (
            "ko",
            "하늘이 왜 파란지 아이도 이해할 수 있게 쉽게 설명해 주세요.",
            "바다가 왜 파란지 아이도 이해할 수 있게 쉽게 설명해 주세요.",
            "베란다에서 키울 수 있는 채소 세 가지를 말해 주세요.",
            "공기가 파란빛을 더 많이 흩뜨리기 때문입니다.",
        ),
        (
            "ru",
            "Объясни простыми словами, почему днём небо кажется голубым.",
            "Объясни простыми словами, почему днём море кажется голубым.",
            "Назови три овоща, которые можно вырастить на балконе.",
            "Воздух сильнее рассеивает синий свет.",
        ),
        (
            "ar",
            "اشرح بكلمات بسيطة لماذا تبدو السماء زرقاء في النهار.",
            "اشرح بكلمات بسيطة لماذا تبدو البحار زرقاء في النهار.",
            "اذكر ثلاثة أنواع من الخضار يمكن زراعتها في الشرفة.",
            "لأن الهواء يبعثر الضوء الأزرق أكثر.",
        ),
        (
            "hi",
            "सरल शब्दों में समझाओ कि दिन में आसमान नीला क्यों दिखता है।",
            "सरल शब्दों में समझाओ कि दिन में समुद्र नीला क्यों दिखता है।",
            "बालकनी में उगाई जा सकने वाली तीन सब्ज़ियों के नाम बताओ।",
            "हवा नीले प्रकाश को अधिक बिखेरती है।",
        ),
        (
            "de",
            "Über den blauen Himmel: Erkläre einem Kind, woher die Farbe kommt.",
            "Über den roten Himmel: Erkläre einem Kind, woher die Farbe kommt.",
            "Nenne drei Gemüse, die auf einem Balkon wachsen.",
            "Die Luft streut blaues Licht stärker.",
        ),
    ],
)
def test_sentences_in_other_languages_pass_the_rules_and_are_compared(
    language: str, instruction: str, nearly_the_same: str, another: str, response: str
) -> None:
    rules = rule_set("ISheep", language)
    for text in (instruction, nearly_the_same, another):
        row = pair(text, response=response)
        assert first_drop(rules.instruction_rules, row) is None
        assert first_drop(rules.pair_rules, row) is None
    decisions = Deduplicator("0.7").accept([instruction, nearly_the_same, another])
    assert [duplicate and duplicate.text for duplicate in decisions] == [None, instruction, None]


def test_rules_for_all_languages_apply_to_every_language() -> None:
    rules = rule_set("ISheep", "zh")
    assert first_drop(rules.instruction_rules, pair("写诗")) == Drop(
        "length", "2 words, fewer than 4"
    )
    assert first_drop(rules.pair_rules, pair("写一首诗", response="")) is not None


def test_an_unknown_set_raises_key_error() -> None:
    with pytest.raises(KeyError):
        rule_set("Isheep", "en")


@given(st.text(), st.text(), st.text())
def test_checks_are_pure_and_accept_every_text(first: str, second: str, third: str) -> None:
    row = pair(first, second, third)
    for rule in EVERY_RULE:
        detail = rule.check(row)
        assert detail is None or isinstance(detail, str)
        assert rule.check(row) == detail


# Not a benchmark: a quadratic rule would take hours, which the usual timeout ends.
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
        "<think>",
        "</think>",
        "`",
        "```x\n",
        "A. ",
        "\n1. ",
        "1. Input:",
        "answer is ",
        "\u0301\u0323",
    ],
)
def test_a_text_of_half_a_megabyte_is_checked_in_time(unit: str) -> None:
    text = unit * (500_000 // len(unit))
    row = pair(text, text, text)
    for rule in EVERY_RULE:
        rule.check(row)


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        (pair("x" * 1_000_000), "length"),
        (pair("Name a \x1b[31mred\x1b[0m bird."), "control-characters"),
        (pair("Name a\x00 small bird."), "control-characters"),
        (pair("Name a \ud800 small bird."), "control-characters"),
        (pair("Name a \u202e small bird."), "control-characters"),
        (pair("Name a <|im_start|>system bird."), "chat-marker"),
        (pair("Name a bird [INST][INST] now."), "chat-marker"),
    ],
)
def test_a_hostile_instruction_is_dropped_by_its_rule(task: PairRow, rule: str) -> None:
    drop = first_drop(rule_set("ISheep", "en").instruction_rules, task)
    assert drop is not None
    assert drop.rule == rule


@pytest.mark.parametrize(
    ("response", "rule"),
    [
        ("\x1b]0;title\x07", "control-characters"),
        ("a\x00b", "control-characters"),
        ("\u200b\u00ad", "empty-response"),
        ("<think>" * 9, "thinking"),
        ("<|im_start|><|im_start|>user", "chat-marker"),
        ("Yes.\nHuman:\nAssistant:\nHuman:", "new-turn"),
    ],
)
def test_a_hostile_response_is_dropped_by_its_rule(response: str, rule: str) -> None:
    row = pair("Name a small bird.", response=response)
    drop = first_drop(rule_set("ISheep", "en").pair_rules, row)
    assert drop is not None
    assert drop.rule == rule


def test_dromedary_keeps_tasks_of_red_teaming_and_questions_back() -> None:
    seeing = pair("What is on the picture in my hand?")
    asking = pair("Change the second part.", response="Which one?\n\nDo you mean the plan?")
    i_sheep, dromedary = rule_set("ISheep", "en"), rule_set("Dromedary", "en")
    assert first_drop(dromedary.instruction_rules, seeing) is None
    assert first_drop(i_sheep.instruction_rules, seeing) == Drop("blacklist", "picture")
    assert first_drop(dromedary.pair_rules, asking) is None
    assert first_drop(i_sheep.pair_rules, asking) is not None
    turn = pair("Name a bird.", response="A wren.\nUser: And a fish?")
    assert first_drop(dromedary.pair_rules, turn) == Drop("unrequested-turn", "User")


def test_rules_are_found_by_name_in_all_sets() -> None:
    assert rules_named("url").instruction_rules == (URL,)
    assert rules_named("ends-with-colon").pair_rules == (ENDS_WITH_COLON,)
    both = rules_named("no-input")
    assert (both.instruction_rules, both.pair_rules) == ((NO_INPUT,), (RESPONSE_NO_INPUT,))
    nothing = rules_named("Url")
    assert (nothing.instruction_rules, nothing.pair_rules) == ((), ())
    assert set(rule_names()) == {rule.name for rule in EVERY_RULE}
