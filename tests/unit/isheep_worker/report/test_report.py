"""The report's figures, its page and the safety of the page, from manifests of the test."""

import base64
import hashlib
import html.parser
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.contract.choices import Pool
from isheep.contract.order import GpuPrices, RunRef
from isheep.recipes.settings import ReportSettings
from isheep_worker.constraints.satisfaction import SatisfiedShare
from isheep_worker.controls.drift import AnchorLook, assessor_drift
from isheep_worker.controls.validity import ControlFigures
from isheep_worker.report import figures
from isheep_worker.report.document import ReportInput, SampleAnswer, TrainingStep, report_document
from isheep_worker.report.explanations import AssessedPair, AssessorAnswer
from isheep_worker.report.html import duration, render
from isheep_worker.report.pairs import pair_figures
from isheep_worker.report.scores import Agreement, LevelFigures, OrderMean
from isheep_worker.report.stage_figures import StageFigures, StageTime
from isheep_worker.rows.schema import LevelScore, ScoreRow, SelectionRow
from isheep_worker.statistics.interface import Interval

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


def test_the_tokens_of_a_stage_kind_of_the_inference_pool_count(monkeypatch):
    changed = replace(figures.STAGE_DEFINITIONS["merge"], pool=Pool.INFERENCE)
    definitions = {**figures.STAGE_DEFINITIONS, "merge": changed}
    monkeypatch.setattr(figures, "STAGE_DEFINITIONS", definitions)
    merge = stage("merge", 26, 27, tokens=30)
    assert figures.iteration_figures(1, (*STAGES, merge)).tokens == 900 + 700 + 30


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


def test_the_page_shows_perplexities():
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
    )
    of_1 = figures.iteration_figures(1, (*STAGES[:3], measure))
    found = of_1.perplexities["Response"]
    assert found.of_mean_loss == pytest.approx(7.389, abs=1e-3)
    assert {label: count for label, count in found.bins.items() if count} == {"<20": 9, "≥1000": 1}
    source = ReportInput(
        run=RUN,
        settings=ReportSettings(recipe="ISheep", iterations=1, spec={}),
        stages=(*STAGES[:3], measure),
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
            pairs={1: pair_figures([row], 0)},
            answers={1: [AssessedPair(hostile, hostile, hostile, (answer,))]},
            training={1: [TrainingStep(1, 2.0, None, 1e-5, 0.5)]},
            samples=[SampleAnswer("M(0)", hostile, hostile), SampleAnswer("M(1)", hostile, "b")],
        )
    )
    tags = Tags()
    tags.feed(page)
    assert not {"img", "link", "iframe", "object", "form"} & set(tags.seen)
    assert tags.seen.count("script") == 1
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    names = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
    assert set(re.findall(r"https?://[^\"]*", page)) <= set(names)
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


def test_the_share_of_satisfied_constraints_is_shown_by_score() -> None:
    shares = (
        SatisfiedShare("", None, 41, 30, Interval(0.58, 0.84)),
        SatisfiedShare("Following", 9, 12, 11, None),
    )
    doc = document(constraints={1: shares})
    assert [one["share"] for one in doc["iterations"][0]["constraints"]] == [30 / 41, 11 / 12]
    page = render(doc)
    assert "all that state a constraint" in page
    assert "Following 9" in page
    assert "0.58 to 0.84" in page
    assert "satisfy more constraints" not in render(document())


def test_the_page_shows_which_damage_the_scores_notice():
    noticed = ControlFigures(
        *("Swapped", "the response to another instruction", "Quality", 90, 3, 8.25, 4.5, 0.91),
        Interval(0.87, 0.95),
    )
    few = ControlFigures("WrongNumber", "a wrong number", "Quality", 12, 0, 8.0, 8.0, None, None)
    doc = document(controls={1: (noticed, few)})
    assert doc["iterations"][0]["controls"][0]["area"] == 0.91
    page = render(doc)
    for shown in (
        "Do the scores notice damage?",
        "0.87 to 0.95",
        "the scores see this damage (3 without a score)",
        "too few items (12, and 50 are needed)",
    ):
        assert shown in page
    assert "notice damage" not in render(document())


def test_the_page_shows_how_the_assessor_scores_the_same_pairs():
    def scores(rise: float) -> list[ScoreRow]:
        values = [float(2 + (7 * n) % 6 + rise) for n in range(80)]
        return [
            ScoreRow(f"p{n}", None, {"Quality": LevelScore(one)}) for n, one in enumerate(values)
        ]

    looks = AnchorLook(1, "Raw", scores(0)), AnchorLook(2, "Chat", scores(1))
    drift = assessor_drift(*looks, 0)
    doc = document(anchors={1: drift})
    shown = doc["iterations"][0]["anchors"][0]
    assert (shown["verdict"], shown["order"]["tau"]) == ("more lenient", 1.0)
    page = render(doc)
    assert "Has the assessor changed?" in page
    assert "more lenient" in page
    assert "+1.00" in page
    assert "the other format and the other model together" in page
    assert "Has the assessor changed?" not in render(document())


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


def test_each_training_step_is_in_the_document_and_in_the_chart():
    steps = [TrainingStep(1, 2.0, None, 1e-5, 0.5), TrainingStep(2, 1.0, 3.0, 5e-5, 0.25)]
    doc = document(training={1: steps})
    (iteration,) = doc["iterations"]
    assert iteration["training"][1] == {
        "step": 2,
        "loss": 1.0,
        "validation_loss": 3.0,
        "learning_rate": 5e-5,
        "grad_norm": 0.25,
    }
    page = render(doc)
    assert "2 optimizer steps; training loss 2.000 → 1.000" in page
    assert "learning rate up to 5e-05" in page
    assert ">validation loss</text>" in page
    assert "0.25 to 0.5" in page


def test_the_page_shows_which_training_step_is_the_iterations_model():
    steps = [TrainingStep(1, 2.0, 1.25, 1e-5, 0.5), TrainingStep(2, 1.0, 3.0, 5e-5, 0.25)]
    train = stage("train", 26, 30, samples=7, trainLoss=1.5, evalLoss=1.25, adapterStep=1)
    page = render(document(stages=(*STAGES, train), training={1: steps}))
    assert "validation loss 1.250 after step 1, whose adapter is M(1)" in page


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


def test_an_iteration_without_rounds_has_no_counts_of_rounds():
    answered = [s for s in STAGES if s.kind in ("respond", "select")]
    assert '<td class="n">–</td>' in render(document(stages=answered))


def test_tokens_per_second_and_gpu_hours_are_those_of_this_run():
    train = replace(stage("train", 30, 3630, processes=4), devices=2)
    adopted = replace(stage("measure", 0, 99, uid="u0", tokens=9), devices=8)
    stages = (*STAGES, train, adopted)
    # generate and respond have tokens, in 10 s and 9 s; training has 4 processes for one hour.
    assert figures.tokens_per_second(stages, "u1") == pytest.approx(1600 / 19)
    assert figures.gpu_hours(stages, "u1") == pytest.approx(4)
    assert figures.tokens_per_second((adopted,), "u1") is None
    assert figures.gpu_hours(STAGES, "u1") == 0


def test_the_cost_is_that_of_the_gpu_hours_of_each_pool():
    train = replace(stage("train", 30, 3630), devices=2)
    answer = replace(stage("respond", 0, 1800), devices=1)
    prices = GpuPrices(currency="EUR", per_hour={"training": 3, "inference": 4})
    priced = document(stages=(*STAGES, train, answer), prices=prices)
    assert priced["gpu_cost"] == {"amount": pytest.approx(2 * 3 + 0.5 * 4), "currency": "EUR"}
    assert "8.00 EUR" in render(priced)

    partly = prices.model_copy(update={"per_hour": {"training": 3}})
    unpriced = document(stages=(train, answer), prices=partly)
    assert unpriced["gpu_cost"]["amount"] is None
    assert "the GPUs of a pool have no price" in render(unpriced)
    assert "gpu_cost" not in document(stages=(train,))


def test_the_report_says_how_to_repeat_the_run():
    doc = document(store="/data/my store", model_digest="d" * 64)
    page = render(doc)
    assert doc["command"] == "isheep run run.yaml --store '/data/my store'"
    assert "d" * 64 in page
    assert "apiVersion: isheep.dev/v1alpha1" in doc["spec"]


def test_each_loss_has_one_name():
    train = stage("train", 26, 30, samples=7, trainLoss=1.5, evalLoss=1.25, adapterStep=1)
    steps = [TrainingStep(1, 2.0, 1.25, 1e-5, 0.5)]
    doc = document(stages=(*STAGES, train), training={1: steps})
    page = render(doc).lower()
    for other in ("eval loss", "val. loss", "eval_loss", "held-out loss", "train loss"):
        assert other not in page
    assert "validation_loss" in doc["iterations"][0]
    assert "eval_loss" not in str(doc)
