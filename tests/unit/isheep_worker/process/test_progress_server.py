"""The two pages of the pod's HTTP server, and clients that misbehave."""

from __future__ import annotations

import http.client
import json
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from isheep.contract.order import StepResult
from isheep.kube.passes.polls import POLL_BYTES
from isheep_worker.process.channel import Waits
from isheep_worker.process.progress_board import ProgressBoard
from isheep_worker.process.progress_server import serve_progress
from isheep_worker.runtime.progress import Report


def ask(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=300)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def samples(port: int) -> dict[tuple[str, ...], float]:
    _, text = ask(port, "/metrics")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
def board(make_order) -> ProgressBoard:
    return ProgressBoard(make_order("respond"), 1700000000.5)


@pytest.fixture
def port(board) -> int:
    return serve_progress(board, 0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_pod_whose_address_is_of_ipv6_answers(port) -> None:
    assert ask(port, "/progress", host="::1")[0] == 200


def test_without_ipv6_the_pod_answers_at_its_other_address(
    board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert ask(serve_progress(board, 0), "/progress")[0] == 200


def test_the_activity_is_load_before_the_first_report(port) -> None:
    status, body = ask(port, "/progress")
    assert (status, json.loads(body)) == (
        200,
        {"stage": "i1/x", "itemsDone": 0, "itemsTotal": None, "activity": "load", "detail": ""},
    )
    assert samples(port) == {
        ("isheep_worker_items_done", "respond", "i1/x"): 0,
        ("isheep_worker_activity", "load"): 1,
        ("isheep_worker_activity", "engine"): 0,
        ("isheep_worker_activity", "cpu"): 0,
        ("isheep_worker_start_time_seconds",): 1700000000.5,
    }


def test_the_newest_report_is_served(board, port) -> None:
    board.update(Report("i1/x", 1, 70, "cpu", ""))
    board.update(Report("i1/x", 64, 70, "engine", "p" * 300))
    document = json.loads(ask(port, "/progress?now")[1])
    assert (document["itemsDone"], document["itemsTotal"]) == (64, 70)
    assert document["detail"] == "p" * 200
    found = samples(port)
    assert found["isheep_worker_items_done", "respond", "i1/x"] == 64
    assert found["isheep_worker_items", "respond", "i1/x"] == 70
    assert found["isheep_worker_activity", "engine"] == 1
    assert found["isheep_worker_activity", "load"] == 0


def test_only_counters_have_the_suffix_of_a_counter(board, port) -> None:
    """By Prometheus' conventions; its linter reports others, and `rate` of a gauge is wrong."""
    board.update(Report("i1/x", 1, 70, "cpu", ""))
    _, text = ask(port, "/metrics")
    found = {f.name: f.type for f in text_string_to_metric_families(text.decode())}
    assert len(found) == 4
    assert [n for n, kind in found.items() if n.endswith("_total") and kind != "counter"] == []


def test_a_store_that_does_not_answer_is_served_until_it_answers(board, port) -> None:
    board.update(Waits("s3://b does not answer (ConnectTimeoutError)"))
    board.update(Report("i1/x", 64, 70, "cpu", ""))
    found = json.loads(ask(port, "/progress")[1])
    assert found["waitsFor"] == "s3://b does not answer (ConnectTimeoutError)"
    board.update(Waits(""))
    assert "waitsFor" not in json.loads(ask(port, "/progress")[1])


@pytest.mark.parametrize("path", ["/", "/progress/", "/../etc/passwd", "/metrics/x", "/%70rogress"])
def test_other_paths_are_not_found(port, path) -> None:
    assert ask(port, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_than_get_are_not_implemented(port, method) -> None:
    assert ask(port, "/progress", method)[0] == 501


def test_clients_that_are_silent_or_disconnect_do_not_block_other_clients(port) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(7)]
    for sent in (b"", b"GET", b"GET /progress HTTP/1.1\r\n\r\n", b"\xff\x00\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(sent)
        while True:  # the slot of the client that disconnected becomes free after some time
            try:
                assert ask(port, "/progress")[0] == 200
                break
            except ConnectionError:
                continue
    for client in silent:
        client.close()


def test_the_server_disconnects_the_ninth_client(port) -> None:
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(9)]
    clients[-1].settimeout(300)
    assert clients[-1].recv(1) == b""
    for client in clients:
        client.close()


def test_a_port_that_is_in_use_is_an_error(board, port) -> None:
    with pytest.raises(OSError, match="in use"):
        serve_progress(board, port)


def test_the_committed_stages_of_a_walk_are_on_the_page(board, port) -> None:
    statistics = {"accepted": 12.0, "drop:short": 2.0, "score:Quality:9": 3.0}
    board.update(StepResult(id="i1/generate/r1", key="g" * 64))
    board.update(StepResult(id="i1/curate/r1", key="c" * 64, statistics=statistics))
    board.update(Report("i1/respond", 64, 100, "engine", ""))
    page = json.loads(ask(port, "/progress")[1])
    assert page["stage"] == "i1/respond"
    assert page["committed"] == [
        {"id": "i1/generate/r1", "key": "g" * 64, "statistics": {}},
        {
            "id": "i1/curate/r1",
            "key": "c" * 64,
            "statistics": {"accepted": 12.0, "drop:short": 2.0},
        },
    ]
    assert ("isheep_worker_items_done", "respond", "i1/respond") in samples(port)


def test_an_answer_with_many_committed_stages_fits_what_the_operator_reads(board, port) -> None:
    """A longer answer is cut, and then it is no JSON: the run would show no progress any more."""
    statistics = {f"drop:rule-{number}": 3.0 for number in range(20)}
    for number in range(600):
        board.update(StepResult(id=f"i1/curate/r{number}", key="k" * 64, statistics=statistics))
    _, content = ask(port, "/progress")
    assert len(content) < POLL_BYTES
    rows = json.loads(content)["committed"]
    assert len(rows) > 60
    assert rows[-1]["id"] == "i1/curate/r599"
    assert rows == list(board.committed)
