"""The tolerant parser: forms that it reads, numbers that it refuses, and hostile answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.templates.parsed_score import ParsedScore
from isheep_worker.templates.score import parse_score
from isheep_worker.templates.tolerant_score import tolerant_score

READ = {
    # The form of the prompt, and what small models make of it.
    "7||mostly right": 7,
    "10||": 10,
    "7": 7,
    "  7 || fine": 7,
    "\n\n7\n\nThe list has all three rivers.": 7,
    "7|fine": 7,
    "7｜｜fine": 7,
    "+7": 7,
    "07": 7,
    # Scales and units.
    "7/10": 7,
    "7 / 10 because one river is missing": 7,
    "10/10": 10,
    "7/10.": 7,
    "7.0/10.0": 7,
    "7 out of 10": 7,
    "7 (out of 10)": 7,
    "7 out of ten, one is missing": 7,
    "7 on a scale of 1 to 10": 7,
    "7/10 for the effort": 7,
    "7 points": 7,
    "7分，很清楚": 7,
    "7点": 7,
    "得分：7/10分": 7,
    # Labels.
    "Score: 7": 7,
    "Score 7": 7,
    "score = 7": 7,
    "score=7||x": 7,
    "Score - 7": 7,
    "Score (out of 10): 7": 7,
    "Score (1-10): 7": 7,
    "Rating: 7 out of 10": 7,
    "Quality: 7||x": 7,
    "Instruction following: 7": 7,
    "Answer: 7||x": 7,
    "My final score is 7.": 7,
    "The overall rating is: 7/10": 7,
    "Here is my rating:\n\n7": 7,
    "Overall: 7/10": 7,
    "Total: 7/10": 7,
    "A solid 7": 7,
    "My score for this response is 7.": 7,
    "On a scale of 1 to 10, I would give this response a 7.": 7,
    "Two of 3 rivers are right, so I would rate it 7/10.": 7,
    "7/10 stars": 7,
    "Final answer: 7": 7,
    "I would give it a 7": 7,
    "This response deserves a 7.": 7,
    "I'd rate this response 7 out of 10.": 7,
    "I give the answer a score of 7, as one river is missing": 7,
    "评分：7": 7,
    "スコア: 7": 7,
    "점수: 7점": 7,
    "Bewertung: 7": 7,
    # Marks, brackets, quotation marks, tags, code and data.
    "**7**||x": 7,
    "*7*": 7,
    "**Score:** 7": 7,
    "**Score**: 7/10\n\n**Reason:** clear": 7,
    "Score: **7**/10": 7,
    "## Score: 7": 7,
    "- Score: 7": 7,
    "* 7": 7,
    "> 7": 7,
    "[7]": 7,
    "[[7]]||x": 7,
    "(7)": 7,
    "(7||good)": 7,
    "【7】": 7,
    "'7'": 7,
    "“7”||x": 7,
    "「7」": 7,
    "`7`": 7,
    "```\n7\n```": 7,
    '```json\n{"score": 7}\n```': 7,
    '{"score": 7, "reason": "two of 3 rivers"}': 7,
    '{"reason": "two of 3 rivers", "score": 7}': 7,
    '{"Score": "7"}': 7,
    "<answer>7</answer>": 7,
    "<score> 7 / 10 </score>": 7,
    "<7>": 7,
    "| 7 |": 7,
    "\\boxed{7}": 7,
    "$\\boxed{7}$": 7,
    "Two of 3 rivers are right.\nRating: [[7]]": 7,
    "The list has 2 of 3 rivers.\n\n**Score:** 7/10": 7,
    "2 of 3 rivers are right. Score: 7": 7,
    "Sure! Here is my score: 7": 7,
    "7<|im_end|>": 7,
    "7</s>": 7,
    # Other digits and invisible characters.
    "７": 7,
    "７／１０": 7,
    "٧||جيد": 7,
    "७": 7,
    "𝟕": 7,
    "seven||x": 7,
    "Score: Seven": 7,
    "七分": 7,
    "7\ufe0f\u20e3": 7,
    "\u200b7||x": 7,
    "\ufff97\U000e0100\x00||x": 7,
    "\ufeffScore:\u00a07": 7,
    "\u20667\u2069": 7,
    # Thoughts.
    "<think>\n\n</think>\n\n7||ok": 7,
    "<think>Rivers 1, 2 and 3: two are right, 8 or 7?</think>7||ok": 7,
    "Two of 3 are right.\n</think>\n\n7||ok": 7,
    # Halves are rounded to the even number.
    "8.5||": 8,
    "9.5": 10,
    "7.5/10": 8,
    "6.5": 6,
    "8.51": 9,
    "8.50000000000000000000000": 8,
    "8.49999999999999999999999": 8,
    "10.5": 10,
    # An explanation without a separator.
    "7. The list has two rivers.": 7,
    "7, because one is missing": 7,
    "7: one is missing": 7,
    "7 - one is missing": 7,
    "7 – one is missing": 7,
    "7—one is missing": 7,
    "7 because one is missing": 7,
    "7 The list has two rivers.": 7,
    "7 Good, but one is missing": 7,
    "7 (one is missing)": 7,
    "7。缺一条河": 7,
    "7!": 7,
    "7...": 7,
    "1||It answers nothing": 1,
    "1.": 1,
}
REFUSED = {
    # A part of a list, a name or a place.
    "1. Quality: 7": "ambiguous",
    "1. The list has two rivers.": "ambiguous",
    "1) The list": "ambiguous",
    "1: the list": "ambiguous",
    "1、质量：7": "ambiguous",
    "一、质量：7分": "ambiguous",
    "2、遵循：7": "ambiguous",
    "2. Following: 7": "ambiguous",
    "2.\t7": "ambiguous",
    "#1": "ambiguous",
    "No. 1": "no-number",
    "Fact 3 is wrong": "no-number",
    "Point 7 is wrong": "ambiguous",
    # A range, or several numbers.
    "8-9": "ambiguous",
    "8 - 9": "ambiguous",
    "8–9": "ambiguous",
    "8~9": "ambiguous",
    "8～9": "ambiguous",
    "8 or 9": "ambiguous",
    "8 to 9": "ambiguous",
    "8, maybe 9": "ambiguous",
    "8. Or 9": "ambiguous",
    "8 9": "ambiguous",
    "8, 9": "ambiguous",
    "8/10 or 9/10": "ambiguous",
    "between 8 and 9": "no-number",
    "Score: 8-9": "ambiguous",
    "Score: 3. Revised score: 8": "ambiguous",
    "Quality: 9\nFollowing: 4": "ambiguous",
    "Quality 8, Following 9": "ambiguous",
    "On a scale of 1 to 10: 8 or 9": "ambiguous",
    "[[8]] or [[9]]": "ambiguous",
    "Perhaps [[3]], or rather [[8]]": "ambiguous",
    "9 (8 if strict)": "ambiguous",
    "1 (useless) to 10 (could not be better)": "ambiguous",
    "(7) good": "ambiguous",
    "Score: 10 would be too generous": "ambiguous",
    "I cannot give a score: 9 facts are wrong": "ambiguous",
    "Clear. Score: 9. Following: 7": "ambiguous",
    # Another number: decimal comma, exponent, version, date, time, fraction.
    "9,5": "ambiguous",
    "1,000": "ambiguous",
    "1e1": "ambiguous",
    "9.5.1": "ambiguous",
    "9/10/2024": "ambiguous",
    "9:30": "ambiguous",
    "9½": "ambiguous",
    "½": "no-number",
    "Ⅸ": "no-number",
    "一般": "ambiguous",
    "十分好": "ambiguous",
    "One of the rivers is wrong": "ambiguous",
    "Two errors": "ambiguous",
    "9²": "ambiguous",
    "9+": "ambiguous",
    "9+1": "ambiguous",
    "9*2": "ambiguous",
    "9 = excellent": "ambiguous",
    ".9": "ambiguous",
    "~9": "ambiguous",
    "<9": "ambiguous",
    "≥8": "ambiguous",
    "9?": "ambiguous",
    # Another scale.
    "4/5": "ambiguous",
    "9/100": "ambiguous",
    "90/100": "ambiguous",
    "9 out of 15": "ambiguous",
    "9 (out of 12)": "ambiguous",
    "9%": "ambiguous",
    "90 %": "ambiguous",
    "9 percent": "ambiguous",
    "5 stars": "ambiguous",
    "5⭐": "ambiguous",
    # A quantity.
    "10th percentile": "ambiguous",
    "10 percentile": "ambiguous",
    "3 of the 5 facts are wrong": "ambiguous",
    "3 of 10 facts are wrong": "ambiguous",
    "8/10 facts are right": "ambiguous",
    "8 out of 10 facts are right": "ambiguous",
    "3 facts are wrong": "ambiguous",
    "9 am": "ambiguous",
    "9x": "ambiguous",
    "9k": "ambiguous",
    "9-point scale": "ambiguous",
    "$9": "ambiguous",
    "9$": "ambiguous",
    "9°": "ambiguous",
    "9'": "ambiguous",
    "9分钟": "ambiguous",
    "3个错误": "ambiguous",
    "The answer is 7": "no-number",
    # No score at all.
    "": "empty",
    " \n\u200b": "empty",
    "\u3164\ufff9\ufffb\u034f": "empty",
    "||7": "empty",
    "good": "no-number",
    "Score: N/A": "no-number",
    "Score: none": "no-number",
    "Score: sevenfold": "no-number",
    "**": "no-number",
    "<think>The list has 3 rivers": "no-number",
    "<think>7||": "no-number",
    "</think>": "no-number",
    # A number that is not on the scale.
    "0": "out-of-range",
    "0.5": "out-of-range",
    "-3": "out-of-range",
    "−3": "out-of-range",
    "11||x": "out-of-range",
    "Score: 11": "out-of-range",
    "11/10": "out-of-range",
    "100": "out-of-range",
    "2024": "out-of-range",
    "[[11]]": "out-of-range",
    "9" * 400: "out-of-range",
}


@pytest.mark.parametrize(("answer", "score"), list(READ.items()))
def test_a_form_with_one_meaning_is_read(answer: str, score: int):
    assert parse_score(answer) == ParsedScore(score)


@pytest.mark.parametrize(("answer", "failure"), list(REFUSED.items()))
def test_a_number_with_another_meaning_is_no_score(answer: str, failure: str):
    assert parse_score(answer) == ParsedScore(None, failure)


FORMS = st.sampled_from([*READ, *REFUSED, "||", "|", "\n", " ", "9", "/10", "<think>", "</think>"])


@given(st.lists(FORMS | st.text(max_size=4), max_size=4).map("".join))
def test_every_answer_has_a_score_or_a_failure(answer: str):
    parsed = parse_score(answer)
    assert (parsed.score is None) != (parsed.failure is None)
    assert parsed.score is None or 1 <= parsed.score <= 10


@given(st.sampled_from(sorted(READ)), st.text(max_size=20))
def test_an_explanation_after_the_separator_changes_no_score(answer: str, explanation: str):
    head = answer.partition("||")[0]
    assert parse_score(f"{head}||{explanation}") == parse_score(answer) == ParsedScore(READ[answer])


CUT = {"1": None, "Score: 1": None, "8 ": None, "9.": None, "**9": None, "9/": None}
CUT |= {"8/10": 8, "9\n": 9, "9 because": 9, "9, be": 9}


@pytest.mark.parametrize(("answer", "score"), list(CUT.items()))
def test_a_number_at_the_end_of_a_cut_answer_may_be_cut_too(answer: str, score: int | None):
    assert tolerant_score(answer, complete=False).score == score


HOSTILE = [" ", "(", "[[", "[[9", "9", "9.", "9/", "9 ", "*", "9*", "Score: ", "I give a ", "<a>"]
HOSTILE += ["<think>", "</think>", "overall ", "\\boxed{", '"score": ', "\u200b", "9|", "9, ", "９"]


@pytest.mark.parametrize("repeated", HOSTILE)
def test_a_hostile_answer_takes_linear_time(repeated: str):
    """A parser that takes quadratic time would not come to its end here."""
    for answer in (repeated * (100_000 // len(repeated)), "9" + repeated * 5_000 + "x"):
        parsed = tolerant_score(answer, complete=False)
        assert (parsed.score is None) != (parsed.failure is None)
