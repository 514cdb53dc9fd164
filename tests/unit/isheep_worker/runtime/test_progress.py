from __future__ import annotations

from isheep_worker.runtime.meter import Activity
from isheep_worker.runtime.progress import Progress, Report


def test_reports_are_limited_to_one_a_second_except_begin_end_and_load() -> None:
    reports: list[Report] = []
    now = [0.0]
    progress = Progress(reports.append, lambda: now[0])
    progress.begin("i1/respond", 128)
    for done in range(1, 64):
        progress.items(done)
    assert len(reports) == 1
    now[0] += 1.5
    progress.items(64, detail="part 1 of 2")
    progress.activity(Activity.LOAD)
    progress.activity(Activity.CPU)
    progress.items(128)
    progress.end()
    assert [(r.items_done, r.activity) for r in reports[1:]] == [
        (64, "cpu"),
        (64, "load"),
        (64, "cpu"),
        (128, "cpu"),
    ]
    assert reports[1].document() == {
        "stage": "i1/respond",
        "itemsDone": 64,
        "itemsTotal": 128,
        "activity": "cpu",
        "detail": "part 1 of 2",
    }


def test_the_begin_of_the_engine_is_reported_at_once() -> None:
    activities: list[str] = []
    now = [0.0]
    progress = Progress(lambda report: activities.append(report.activity), lambda: now[0])
    progress.begin("i1/respond", 128)
    for _ in range(100):  # short calls of the engine give one report
        progress.activity(Activity.ENGINE)
        progress.activity(Activity.CPU)
    assert activities == ["cpu", "engine"]
    now[0] += 1.5
    progress.activity(Activity.ENGINE)
    now[0] += 60
    progress.activity(Activity.CPU)
    progress.activity(Activity.ENGINE)
    assert activities[2:] == ["engine", "engine"]
    now[0] += 1.5
    progress.activity(Activity.CPU)
    now[0] += 1.5
    progress.items(64)
    assert activities[4:] == ["engine", "cpu"]


def test_the_work_of_an_earlier_attempt_is_reported_at_once() -> None:
    reports: list[Report] = []
    progress = Progress(reports.append, lambda: 0.0)
    progress.begin("i1/train", 8)
    progress.found(3, 8)
    assert [(r.items_done, r.items_found) for r in reports] == [(0, 0), (3, 3)]
    assert Report.from_document(reports[1].document()) == reports[1]
    progress.begin("i1/merge")
    assert reports[2].items_found == 0


def test_nothing_is_reported_between_stages() -> None:
    reports: list[Report] = []
    Progress(reports.append).activity(Activity.LOAD)
    assert reports == []


def test_a_report_is_read_back_with_at_most_200_characters_of_detail() -> None:
    report = Report("i1/train", 7, None, "engine", "loss 1.234")
    assert Report.from_document(report.document()) == report
    long = Report("i1/train", 7, 9, "cpu", "x" * 300)
    assert long.document()["detail"] == "x" * 200
    assert Report.from_document(long.document() | {"detail": "x" * 300}).detail == "x" * 200
