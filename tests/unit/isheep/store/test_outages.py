"""Outages: each change is reported once, and the report names every store that does not answer."""

from __future__ import annotations

from isheep.store.outages import Outages


def test_each_change_is_reported_once() -> None:
    outages, heard = Outages(), list[str]()
    outages.listen(heard.append)
    outages.end("s3://a")
    outages.begin("s3://b", "SlowDown")
    outages.begin("s3://b", "SlowDown")
    outages.begin("s3://a", "ConnectTimeoutError")
    outages.end("s3://b")
    outages.end("s3://a")
    outages.end("s3://a")
    assert heard == [
        "s3://b does not answer (SlowDown)",
        "s3://a does not answer (ConnectTimeoutError); s3://b does not answer (SlowDown)",
        "s3://a does not answer (ConnectTimeoutError)",
        "",
    ]


def test_without_a_listener_nothing_is_reported() -> None:
    Outages().begin("s3://a", "SlowDown")
