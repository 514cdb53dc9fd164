"""The report's figures, its page and the safety of the page, from manifests of the test."""

import html.parser
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.choices import Pool
from isheep.contract.order import RunRef
from isheep.recipes.settings import ReportSettings
from isheep_worker.report import figures
from isheep_worker.report.document import (
    ReportInput,
    SampleAnswer,
    TrainingStep,
    report_document,
)
from isheep_worker.report.explanations import AssessedPair, AssessorAnswer
from isheep_worker.report.figures import StageFigures, StageTime
from isheep_worker.report.html import duration, extent, points, polyline, render
from isheep_worker.report.invisible_characters import show_invisible
from isheep_worker.report.scores import Agreement, LevelFigures, OrderMean
from isheep_worker.rows.schema import SelectionRow

RUN = RunRef(namespace="default", name="demo", uid="u1")


def stage(kind, start, end, *, round_=None, uid="u1", seconds=(0, 0, 0), examples=None, **stats):
    ident = f"i1/{kind}" + (f"/r{round_}" if round_ else "")
    named = {name.replace("__", ":").replace("_", "-"): value for name, value in stats.items()}
    time = StageTime(start, end, *seconds)
    return StageFigures(ident, kind, 1, round_, "k" * 64, uid, time, named, examples or {})


STAGES = (
    stage("generate", 0, 10, round_=1, seconds=(4, 5, 1), completions=4, tokens=900, modelLoads=1),
    stage(
        "curate",
        10,
        11,
        round_=1,
        seconds=(0, 0, 1),
        completions=4,
        parsed=20,
        accepted=12,
        drop__rouge_l=5,
        drop__url=3,
        examples={"url": ["see <script>alert(1)</script>"]},
    ),
    stage("respond", 11, 20, seconds=(0, 8, 1), pairs=12, tokens=700),
    stage("assess", 21, 25, seconds=(0, 4, 0), pairs=12, scored=10, score__Quality__3=4),
    stage(
        "select",
        25,
        26,
        seconds=(0, 0, 1),
        pairs=12,
        kept=7,
        meanScore=6.5,
        drop__score_quality=3,
        drop__options=2,
    ),
)


def document(**changes):
    source = ReportInput(
        run=RUN,
        settings=ReportSettings(
            recipe="ISheep", iterations=2, spec={"model": {"storageUri": "hf://o/m"}}
        ),
        **{"stages": STAGES, **changes},
    )
    return report_document(source)


def test_the_funnel_shows_the_drops_of_a_stage_before_its_result():
    steps = [(s.label, s.count, s.is_drop) for s in figures.iteration_figures(1, STAGES).funnel]
    assert steps == [
        ("completions", 4, False),
        ("instructions parsed", 20, False),
        ("rouge-l", 5, True),
        ("url", 3, True),
        ("instructions accepted", 12, False),
        ("pairs answered", 12, False),
        ("pairs scored", 10, False),
        ("score-quality", 3, True),
        ("pairs kept: D(t)", 7, False),
    ]


def test_a_stage_kind_brings_its_bars_and_its_tokens(monkeypatch):
    before = (figures.FunnelBar("files read", "read"),)
    funnel = figures.Funnel(figures.FunnelBar("files written", "written"), before)
    changed = replace(figures.STAGE_DEFINITIONS["merge"], funnel=funnel, pool=Pool.INFERENCE)
    definitions = {**figures.STAGE_DEFINITIONS, "merge": changed}
    monkeypatch.setattr(figures, "STAGE_DEFINITIONS", definitions)
    merge = stage("merge", 26, 27, tokens=30, read=3, written=2, drop__url=1)
    of_1 = figures.iteration_figures(1, (*STAGES, merge))
    last = [(s.label, s.count, s.is_drop) for s in of_1.funnel][-3:]
    assert last == [("files read", 3, False), ("url", 1, True), ("files written", 2, False)]
    assert of_1.tokens == 900 + 700 + 30


def test_the_page_says_that_the_language_may_be_wrong():
    rounds = [
        stage("curate", 10, 11, round_=n, parsed=100, accepted=2 * n, drop__first_character=98)
        for n in (1, 2)
    ]
    doc = document(stages=(*rounds, *STAGES[2:]))
    sentence = "196 of 200 instructions are not ASCII or begin with punctuation: if"
    assert doc["iterations"][0]["language_mismatch"].startswith(sentence)
    assert sentence in render(doc)
    assert document()["iterations"][0]["language_mismatch"] is None
    assert "ASCII" not in render(document())


def test_the_funnel_shows_measures_and_counts_their_drops_once():
    measure = stage(
        "measure",
        21,
        25,
        pairs=12,
        measured=10,
        meanLoss__Response=2.0,
        meanLoss__Pair=3.0,
        perplexity__Response__3=9,
        perplexity__Response__9=1,
        drop__options=1,
        drop__unscorable_too_long=1,
    )
    select = stage(
        "select",
        25,
        26,
        kept=7,
        drop__options=1,
        drop__unscorable_too_long=1,
        drop__perplexity_pair=2,
        drop__not_drawn=1,
    )
    of_1 = figures.iteration_figures(1, (*STAGES[:3], measure, select))
    steps = [(s.label, s.count, s.is_drop) for s in of_1.funnel]
    assert steps[6:] == [
        ("options", 1, True),
        ("unscorable-too-long", 1, True),
        ("pairs measured", 10, False),
        ("perplexity-pair", 2, True),
        ("not-drawn", 1, True),
        ("pairs kept: D(t)", 7, False),
    ]
    found = of_1.perplexities["Response"]
    assert found.of_mean_loss == pytest.approx(7.389, abs=1e-3)
    assert {label: count for label, count in found.bins.items() if count} == {"<20": 9, "≥1000": 1}
    source = ReportInput(
        run=RUN,
        settings=ReportSettings(recipe="ISheep", iterations=1, spec={}),
        stages=(*STAGES[:3], measure, select),
    )
    page = render(report_document(source))
    assert "Perplexity: Response" in page
    assert "&lt;20" in page


def test_each_second_between_first_start_and_last_end_is_in_one_bin():
    rows = figures.stage_seconds(STAGES, "u1")
    total = figures.total_seconds(rows)
    assert total.wall == pytest.approx(26)
    assert (total.load, total.engine, total.cpu, total.idle) == pytest.approx((4, 17, 4, 1))


def test_stages_of_another_run_take_no_time_of_this_run():
    adopted = stage("train", -100, -50, uid="u0", seconds=(1, 40, 9))
    rows = figures.stage_seconds((*STAGES, adopted), "u1")
    assert figures.total_seconds(rows).wall == pytest.approx(26)


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 50), st.floats(0, 30), st.floats(0, 30)),
        min_size=1,
        max_size=8,
    )
)
def test_the_bins_of_overlapping_stages_sum_to_the_wall_time(times):
    stages = [
        stage("generate", start, start + length, round_=n + 1, seconds=(load, engine, 0))
        for n, (start, length, load, engine) in enumerate(times)
    ]
    total = figures.total_seconds(figures.stage_seconds(stages, "u1"))
    first = min(s.time.started_at for s in stages)
    last = max(s.time.finished_at for s in stages)
    assert total.wall == pytest.approx(last - first, abs=1e-6)
    assert min(total.load, total.engine, total.cpu, total.idle) >= -1e-9


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)


def test_the_page_escapes_generated_text_and_makes_no_requests():
    hostile = "<img src=x onerror=alert(1)>\x1b[31m\u202eevil\x00"
    row = SelectionRow("i1-r1-c00000-p0", hostile, hostile, hostile, "stop", True, None, {})
    answer = AssessorAnswer("Quality", None, "unparseable-ambiguous", hostile)
    page = render(
        document(
            pairs={1: [row]},
            answers={1: [AssessedPair(hostile, hostile, hostile, (answer,))]},
            training={1: [TrainingStep(1, 2.0, None, 1e-5, 0.5)]},
            samples=[SampleAnswer("M(0)", hostile, hostile), SampleAnswer("M(1)", hostile, "b")],
        )
    )
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "link", "iframe"} & set(tags.seen)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "&lt;img src=x" in page
    assert "‹U+202E›evil‹U+0000›" in page


def test_page_and_json_have_the_same_figures():
    doc = document()
    page = render(doc)
    assert doc["iterations"][0]["kept"] == 7
    assert doc["model_loads"] == [1]
    assert ">7<" in page
    assert "hf://o/m" in page


def test_the_page_shows_the_answers_of_the_assessor():
    answers = (
        AssessorAnswer("Quality", 9.0, None, "9||two rivers"),
        AssessorAnswer("Following", None, "unparseable-ambiguous", "8-9"),
    )
    doc = document(answers={1: [AssessedPair("Name rivers.", "", "Nile", answers)]})
    assert doc["iterations"][0]["answers"][0]["answers"][0]["text"] == "9||two rivers"
    page = render(doc)
    for shown in ("Answers of the assessor", "9||two rivers", "unparseable-ambiguous", "8-9"):
        assert shown in page
    assert "Answers of the assessor" not in render(document())


def test_the_page_shows_the_figures_of_expected_scores():
    quality = LevelFigures(
        "Quality",
        scored=9,
        distinct=1,
        mass=0.987,
        entropy=1.25,
        distribution=(0.1,) * 10,
        orders=(OrderMean("2-1-3", 9, 6.28),),
        agreement=Agreement(9, -0.75, None),
    )
    plain = LevelFigures("Following", 9, 4, None, None, (), (), None)
    doc = document(scores={1: (quality, plain)})
    page = render(doc)
    for shown in ("0.987", "1.25", "2-1-3", "6.28", "-0.75", "The Quality scores do not disc"):
        assert shown in page
    assert doc["iterations"][0]["scores"][0]["agreement"]["correlation"] is None
    bare = render(document(scores={1: (plain,)}))
    for heading in (
        "Expected scores",
        "scores compared",
        "order of the worked examples",
        "discriminate",
    ):
        assert heading in page
        assert heading not in bare


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.34, "0.3 s"), (41, "41 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_have_readable_units(seconds, text):
    assert duration(seconds) == text


def test_a_curve_of_one_or_no_value_can_be_drawn():
    assert polyline([1.0], 10, 10) == "0.0,10.0"
    assert polyline([], 10, 10) == ""


def test_curves_of_one_chart_share_its_extent_and_have_no_points_for_gaps():
    span = extent([2.0, 1.0, 1.5], [None, None, 3.0])
    assert span == (1.0, 3.0)
    assert polyline([2.0, 1.0, 1.5], 10, 10, span) == "0.0,5.0 5.0,10.0 10.0,7.5"
    assert points([None, None, 3.0], 10, 10, span) == [("10.0", "0.0")]
    assert extent([], [None]) == (0.0, 0.0)


def test_each_training_step_is_in_the_document_and_in_the_chart():
    steps = [TrainingStep(1, 2.0, None, 1e-5, 0.5), TrainingStep(2, 1.0, 3.0, 5e-5, 0.25)]
    doc = document(training={1: steps})
    (iteration,) = doc["iterations"]
    assert iteration["training"][1] == {
        "step": 2,
        "loss": 1.0,
        "eval_loss": 3.0,
        "learning_rate": 5e-5,
        "grad_norm": 0.25,
    }
    page = render(doc)
    assert "2 steps, 2.000 → 1.000" in page
    assert "learning rate up to 5e-05" in page
    assert '<circle cx="360.0" cy="0.0"' in page
    assert "0.25 to 0.5" in page


def test_the_page_shows_which_training_step_is_the_iterations_model():
    steps = [TrainingStep(1, 2.0, 1.25, 1e-5, 0.5), TrainingStep(2, 1.0, 3.0, 5e-5, 0.25)]
    train = stage("train", 26, 30, samples=7, trainLoss=1.5, evalLoss=1.25, adapterStep=1)
    page = render(document(stages=(*STAGES, train), training={1: steps}))
    assert "dots: validation loss, 1.250 after step 1, whose adapter is M(1)" in page


def test_the_page_says_on_how_many_pairs_the_losses_rest():
    counts = {"samples": 7, "validationSamples": 2}
    train = stage("train", 26, 30, trainLoss=1.5, evalLoss=1.25, adapterStep=1, **counts)
    page = render(document(stages=(*STAGES, train)))
    assert "1.500 (7)" in page
    assert "1.250 (2)" in page
    assert "so they cannot be compared" in " ".join(page.split())


def test_the_page_shows_the_share_of_the_linear_weights_that_lora_adapts():
    steps = [TrainingStep(1, 2.0, 1.25, 1e-5, 0.5)]
    train = stage("train", 26, 30, samples=7, trainLoss=1.5, adaptedShare=0.334)
    doc = document(stages=(*STAGES, train), training={1: steps})
    assert doc["iterations"][0]["adapted_share"] == 0.334
    assert "LoRA adapts 33 % of the linear weights" in render(doc)


@given(st.text())
def test_the_shown_text_has_no_control_characters(text):
    assert not any(ord(c) < 32 and c not in "\n\t" for c in show_invisible(text))


def test_topics_have_their_own_bars_and_an_iteration_without_rounds_has_no_bars_of_rounds():
    counts = {"completions": 3, "parsed": 9, "drop__repeated_topic": 2}
    topics = stage("topics", 0, 1, round_=1, accepted=7, **counts)
    bars = [(s.label, s.count) for s in figures.iteration_figures(1, (*STAGES, topics)).funnel]
    assert bars[:5] == [
        ("completions for topics", 3),
        ("topics parsed", 9),
        ("repeated-topic", 2),
        ("topics accepted", 7),
        ("completions", 4),
    ]
    answered = [s for s in STAGES if s.kind in ("respond", "select")]
    assert figures.iteration_figures(1, answered).funnel[0].label == "pairs answered"
    assert '<td class="n">–</td>' in render(document(stages=answered))
