from __future__ import annotations

from isheep_worker.meter import Activity
from isheep_worker.progress import Progress, Report


def test_reports_are_sparse_but_begin_end_and_loading_are_always_told() -> None:
    reports: list[Report] = []
    now = [0.0]
    progress = Progress(reports.append, lambda: now[0])
    progress.begin("i1/respond", 128)
    for done in range(1, 64):
        progress.items(done)
    assert len(reports) == 1
    now[0] += 1.5
    progress.items(64, detail="part 1 of 2")
    progress.activity(Activity.ENGINE)
    progress.activity(Activity.CPU)
    assert len(reports) == 2
    progress.activity(Activity.LOAD)
    progress.activity(Activity.ENGINE)
    progress.items(128)
    progress.end()
    assert [(r.items_done, r.activity) for r in reports[1:]] == [
        (64, "cpu"),
        (64, "load"),
        (64, "engine"),
        (128, "engine"),
    ]
    assert reports[1].document() == {
        "type": "progress",
        "stage": "i1/respond",
        "itemsDone": 64,
        "itemsTotal": 128,
        "activity": "cpu",
        "detail": "part 1 of 2",
    }


def test_nothing_is_told_between_stages() -> None:
    reports: list[Report] = []
    Progress(reports.append).activity(Activity.LOAD)
    assert reports == []
