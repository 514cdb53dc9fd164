"""The first section of the report: the comparison with M(0), the alarms, and the best model."""

from __future__ import annotations

from isheep_worker.report.html import render
from isheep_worker.rows.schema import GradeRow, PreferenceRow
from isheep_worker.yardstick.grade_section import GradedAnswers, decisive_grades, grade_section
from isheep_worker.yardstick.judgement_section import JudgedAnswers, conclude, judgement_section

from .whole_report import whole_report


def test_the_page_compares_the_models_with_their_numbers_of_tasks():
    document = whole_report()
    page = render(document)
    section = page.partition('id="verdict"')[2].partition('id="run"')[0]
    (loss,) = [f for f in document["verdict"]["figures"] if f["name"] == "answerLoss"]
    change = loss["models"][1]["from_base"]
    interval = f"{change['lower']:+.3f} to {change['upper']:+.3f}"
    texts = ("M(0)", "+0.200", interval, "significantly higher", "too few items (24)", "D(2)")
    for text in (*texts, "No guard has found a sign of a collapse."):
        assert text in section, text
    assert page.index('id="verdict"') < page.index('id="run"') < page.index('id="iterations"')


def test_the_page_compares_the_models_on_each_benchmark_first():
    document = whole_report()
    section = render(document).partition('id="verdict"')[2].partition('id="verdict-answer')[0]
    (quiz, _) = document["verdict"]["benchmarks"]
    change = quiz["models"][3]["from_base"]
    interval = f"{change['lower']:+.3f} to {change['upper']:+.3f}"
    for text in (
        "M(2) is better than M(0) (p &lt; 0.001 after Holm&#39;s correction over the benchmarks)",
        "quiz (Test): acc",
        "minus M(0), Raw",
        interval,
        "no significant difference",
        "Other metrics of the benchmarks",
        "quiz (Test): acc_norm",
        "D(2) and quiz share 13 consecutive words",
    ):
        assert text.replace("&#39;", "'") in section.replace("&#39;", "'"), text


def test_without_a_yardstick_the_report_does_not_mention_it():
    document = whole_report()
    del document["verdict"]
    page = render(document)
    assert "Did the model become better" not in page
    assert 'id="verdict"' not in page


def test_the_page_shows_the_alarms_of_the_guards():
    document = whole_report()
    alarm = {"rule": "Repetition", "iteration": 2, "evidence": "Far", "sentence": "It <loops>."}
    document["verdict"]["alarms"] = [alarm]
    page = render(document)
    assert '<p class="note">M(2): It &lt;loops&gt;.</p>' in page
    assert "No guard has found" not in page


def test_the_page_says_why_the_run_stops_and_marks_the_best_model():
    document = whole_report()
    best = {"t": 1, "metric": "arc", "value": 0.8, "reason": "Improved", "leader": 2}
    against_base = {"items": 60, "difference": 0.3, "lower": 0.1, "upper": 0.5}
    best |= {"note": "chosen on this data", "against_base": against_base}
    document["verdict"]["decision"] = {
        "action": "Stop",
        "sentence": "The run stops after M(2): <why>.",
        "best": best,
        "stopping": None,
    }
    page = render(document)
    assert '<p class="note">The run stops after M(2): &lt;why&gt;.</p>' in page
    assert "The best model is M(1): 0.800 on arc (chosen on this data)." in page
    assert "+0.300, 95 % interval +0.100 to +0.500, 60 items" in page
    assert '<th scope="row">M(1) (best)</th>' in page
    (quiz, _) = document["verdict"]["benchmarks"]
    table = page.partition(f"{quiz['name']} ({quiz['role']}): {quiz['metric']}</h3>")[2]
    table = table.partition("</table>")[0]
    assert table.count("(best)") == 1
    assert '<th scope="row">M(1) (best)</th><td>' in table
    assert "NoImprovement" not in page


def test_the_page_says_that_the_last_model_counts_as_the_best_one():
    page = render(whole_report())
    best = page.partition('id="best"')[2].partition("</p>")[0]
    assert "The best model is M(2): the last model, because best.metric is not set." in best


def test_the_page_shows_win_rates_with_reversals_and_unreadable_judgements():
    rows = [PreferenceRow(f"q{n}", 1.0, float(n < 50), 90 + n % 5, 90) for n in range(60)]
    unread = [PreferenceRow(f"q{n}", None, 1.0, 1, 1, "no-verdict") for n in range(60)]
    sections = judgement_section(
        [JudgedAnswers("wins", 1, "Chat", rows), JudgedAnswers("given", 2, None, unread)], seed=0
    )
    conclude(sections, 1, [])
    document = whole_report()
    document["verdict"]["judgements"] = sections
    section = render(document).partition('id="verdict"')[2].partition('id="verdict-answer')[0]
    (found,) = sections[0]["models"]
    for text in (
        "wins: how often the judge prefers M(t)",
        "M(0), Chat",
        "0.917",
        f"{found['lower']:.3f} to {found['upper']:.3f}",
        f"{found['length_controlled']['rate']:.3f}",
        "50, 0",
        "M(1) is better than M(0)",
        "the given outputs",
        "M(2): no figure, because the judge's answers cannot be read for 60 of 60 questions",
    ):
        assert text in section.replace("&#39;", "'"), text
    assert '<td class="n">10</td>' in section  # the order reversals


def test_the_page_shows_grades_by_turn_and_category():
    rows = [
        GradeRow(f"q{n}", turn, base_format, grade - (n % 2), 9, "math" if n < 20 else "<b>")
        for base_format, grades in ((None, (8, 4)), ("Chat", (8, 8)))
        for n in range(60)
        for turn, grade in enumerate(grades, start=1)
    ]
    unread = [
        GradeRow(row.id, row.turn, row.base_format, None, 1, failure="no-grade") for row in rows
    ]
    sections = grade_section(
        [GradedAnswers("bench", 1, ("Chat",), rows), GradedAnswers("bench", 2, ("Chat",), unread)],
        seed=0,
    )
    conclude(sections, 1, [], decisive_grades)
    document = whole_report()
    document["verdict"]["grades"] = sections
    section = render(document).partition('id="verdict"')[2].partition('id="verdict-answer')[0]
    for text in (
        "bench: grades of the judge, 1 to 10",
        "M(1) is worse than M(0)",
        "<td>turn 2</td>",
        "<td>all</td>",
        "<td>math</td>",
        "<td>&lt;b&gt;</td>",
        '<td class="n">3.50</td><td class="n">7.50</td><td class="n">-4.00</td>',
        "significantly lower",
        "too few items (40 in 20 clusters)",
        "M(2) against M(0), Chat: no figure over all turns, because the judge's grades of turn 1",
    ):
        assert text in section.replace("&#39;", "'"), text
