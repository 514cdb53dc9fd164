"""The log of watches: one line for each watch that kopf opens."""

from __future__ import annotations

import pytest

from isheep.kube.watches import LISTING_SECONDS, WatchLog


def test_a_watch_is_logged_once_when_it_opens_and_once_when_it_opens_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    now = [0.0]
    log = WatchLog(lambda: now[0])
    for kind in (None, None, "ADDED", "MODIFIED"):
        log.note("jobs", kind)
    log.note("selfalignmentruns", None)
    assert [r.getMessage() for r in caplog.records] == ["Watch opened"] * 2
    now[0] = LISTING_SECONDS + 1
    log.note("jobs", "DELETED")
    log.note("jobs", None)
    log.note("jobs", None)
    assert [r.getMessage() for r in caplog.records][2:] == ["Watch opened again"]
    assert caplog.records[2].isheep_fields == {"resource": "jobs", "times": 2}
