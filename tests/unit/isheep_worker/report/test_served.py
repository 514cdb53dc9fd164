"""What the report says about the models that answered at an endpoint."""

from __future__ import annotations

from collections.abc import Mapping

from isheep.contract.order import RunRef
from isheep.recipes.settings import ReportSettings
from isheep_worker.report.document import ReportInput, report_document
from isheep_worker.report.html import render
from isheep_worker.report.served import ServedAnswers, served_figures
from isheep_worker.report.stage_figures import StageFigures, StageTime


def stage(id_: str, statistics: Mapping[str, float]) -> StageFigures:
    kind = id_.partition("/")[2]
    time = StageTime(0.0, 1.0, 0.0, 0.0, 0.0)
    return StageFigures(id_, kind, int(id_[1]), None, "key", "uid", time, statistics)


def test_a_run_without_an_endpoint_has_no_section() -> None:
    assert served_figures([stage("i1/assess", {"scored": 4, "drop:cut": 1})]) is None


def test_the_same_model_on_several_days_is_one_row_and_no_change() -> None:
    found = served_figures(
        [
            stage(
                "i1/assess",
                {
                    "served:2026-05-03 judge-1 fp_a": 3,
                    "served:2026-05-01 judge-1 fp_a": 60,
                    "served:2026-05-02 judge-1 fp_a": 7,
                },
            ),
            stage("i2/assess", {"served:2026-05-04 judge-1 fp_a": 70}),
        ]
    )
    assert found is not None
    assert found.notes == ()
    assert found.stages == (
        ServedAnswers("i1/assess", "judge-1", "fp_a", ("2026-05-01", "2026-05-03"), 70),
        ServedAnswers("i2/assess", "judge-1", "fp_a", ("2026-05-04",), 70),
    )


def test_a_change_within_a_stage_and_one_after_it_have_a_sentence_each() -> None:
    found = served_figures(
        [
            stage(
                "i1/assess",
                {"served:2026-05-01 judge-1 fp_b": 10, "served:2026-05-01 judge-1 fp_a": 60},
            ),
            stage("i1/judge", {"served:2026-05-01 judge-1 fp_b": 4}),
            stage("i2/assess", {"served:2026-05-02 judge-1 fp_b": 70}),
        ]
    )
    assert found is not None
    assert found.notes == (
        "i1/assess: the endpoint changed its model within the stage: judge-1 (fingerprint fp_a) "
        "gave 60 answers, judge-1 (fingerprint fp_b) gave 10 answers; the figures can differ for "
        "this reason alone",
        "i2/assess: the endpoint changed its model after i1/assess: from judge-1 (fingerprint "
        "fp_a) and judge-1 (fingerprint fp_b) to judge-1 (fingerprint fp_b); the figures can "
        "differ for this reason alone",
    )


def test_names_that_were_not_counted_apart_are_a_change_too() -> None:
    found = served_figures(
        [stage("i1/assess", {"served:2026-05-01 judge-1 -": 3, "served:others": 61})]
    )
    assert found is not None
    assert [(one.model, one.answers, one.days) for one in found.stages] == [
        ("others", 61, ()),
        ("judge-1", 3, ("2026-05-01",)),
    ]
    assert "changed its model within the stage" in found.notes[0]


def test_the_page_shows_the_models_and_their_change() -> None:
    statistics = {"served:2026-05-01 judge-1 fp_a": 60.0, "served:2026-05-02 judge-1 fp_b": 4.0}
    document = report_document(
        ReportInput(
            run=RunRef(namespace="default", name="demo", uid="uid"),
            settings=ReportSettings(recipe="ISheep", iterations=1, spec={}),
            stages=(stage("i1/assess", statistics),),
        )
    )
    assert document["endpoint"]["stages"][0]["answers"] == 60
    page = render(document)
    assert "changed its model within the stage" in page
    assert "<td>fp_b</td>" in page
    without = report_document(
        ReportInput(
            run=RunRef(namespace="default", name="demo", uid="uid"),
            settings=ReportSettings(recipe="ISheep", iterations=1, spec={}),
            stages=(stage("i1/assess", {"scored": 3.0}),),
        )
    )
    assert "endpoint" not in without
    assert "The endpoint of the judge" not in render(without)
