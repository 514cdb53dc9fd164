"""Words: those of rouge_score for ASCII, and all words in other scripts."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from isheep_worker.text.comparison import comparable
from isheep_worker.text.tokenization import first_words, word_count, words

ROUGE = DefaultTokenizer(use_stemmer=False)


@given(st.text(st.sampled_from(string.printable)))
def test_the_words_of_ascii_texts_are_those_of_rouge_score(text: str) -> None:
    assert words(text) == ROUGE.tokenize(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Größe, bitte!", ["größe", "bitte"]),
        ("Напиши стихи о море.", ["напиши", "стихи", "о", "море"]),
        ("写一首诗 about AI2", ["写", "一", "首", "诗", "about", "ai2"]),
        ("短い詩を書く", list("短い詩を書く")),
        ("เขียน", list("เขียน")),
        ("한국어 문장", ["한국어", "문장"]),
        ("हिन्दी में लिखो।", ["हिन्दी", "में", "लिखो"]),
        ("שָׁלוֹם עולם", ["שלום", "עולם"]),
        ("مَرْحَبًا بك", ["مرحبا", "بك"]),
        ("cafe\u0301 au lait", ["caf\u00e9", "au", "lait"]),
        ("Na\u200bme ｔｗｏ bi\u00adrds", ["name", "two", "birds"]),
        ("Na\x00me t\x7fwo", ["name", "two"]),
        ("snake_case — “quoted”", ["snake", "case", "quoted"]),
        ("", []),
        ("?! …", []),
    ],
)
def test_other_scripts_have_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("It's a well-known fact.", 4),
        ("one\n two\tthree - four", 5),
        ("写一首诗", 4),
        ("用 Python 写", 3),
        ("Schöne neue Welt", 3),
        ("Go \u200b \u00ad \ufeff", 1),
    ],
)
def test_words_are_counted_as_people_count_them(text: str, expected: int) -> None:
    assert word_count(text) == expected


@given(st.text())
def test_no_letter_or_digit_is_lost(text: str) -> None:
    kept = {character for character in comparable(text).lower() if character.isalnum()}
    assert kept <= {character for word in words(text) for character in word}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two\nthree four five", "one two"),
        ("水は高い所から 流れる。", "水は高い所"),
        ("a b c", None),
        ("", None),
    ],
)
def test_the_first_words_are_a_share_of_the_words_in_any_script(
    text: str, expected: str | None
) -> None:
    assert first_words(text, 0.5, 4) == expected
