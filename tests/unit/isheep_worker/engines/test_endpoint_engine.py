"""An endpoint as an engine: all answers, no more requests at once than allowed, and errors."""

from __future__ import annotations

import threading

import pytest

from isheep_worker.engines.endpoint_engine import EndpointEngine
from isheep_worker.engines.interface import Completion, Request


def request(number: int, text: str = "Hello") -> Request:
    return Request(f"0/{number}", (), 0, 1.0, 1.0, 4, text=text)


def answer(one: Request) -> Completion:
    return Completion(one.id, f"{one.text} {one.id}", "stop", 3, 2)


def drain(engine: EndpointEngine) -> list[Completion]:
    found: list[Completion] = []
    while engine.in_flight:
        found += engine.poll()
    return found


def test_every_request_gets_its_answer_and_few_run_at_once() -> None:
    running, most = [0], [0]
    lock, both = threading.Lock(), threading.Barrier(3)

    def complete(one: Request) -> Completion:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        both.wait(30)
        with lock:
            running[0] -= 1
        return answer(one)

    engine = EndpointEngine(complete, 3)
    assert engine.max_in_flight == 6
    engine.submit([request(n) for n in range(9)])
    found = drain(engine)
    assert {one.id: one.text for one in found} == {f"0/{n}": f"Hello 0/{n}" for n in range(9)}
    assert most[0] == 3
    assert engine.poll() == []
    engine.close()


def test_an_error_is_raised_after_the_answers_that_arrived_before_it() -> None:
    def complete(one: Request) -> Completion:
        if one.id == "0/2":
            raise RuntimeError("the endpoint is down")
        return answer(one)

    engine = EndpointEngine(complete, 1)
    engine.submit([request(n) for n in range(5)])
    found: list[Completion] = []
    with pytest.raises(RuntimeError, match="the endpoint is down"):
        found.extend(one for answers in iter(engine.poll, None) for one in answers)
    assert {"0/0", "0/1"} <= {one.id for one in found}


def test_after_the_end_no_request_is_sent() -> None:
    begun, hold = threading.Semaphore(0), threading.Event()
    sent: list[str] = []

    def complete(one: Request) -> Completion:
        sent.append(one.id)
        begun.release()
        hold.wait(30)
        return answer(one)

    engine = EndpointEngine(complete, 1)
    engine.submit([request(n) for n in range(4)])
    begun.acquire()
    engine.close()
    hold.set()
    for thread in engine.threads:
        thread.join(30)
        assert not thread.is_alive()
    assert sent == ["0/0"]


def test_a_request_without_a_text_is_refused() -> None:
    engine = EndpointEngine(answer, 1)
    with pytest.raises(ValueError, match="requests with a text"):
        engine.submit([request(0), request(1, "")])
    assert engine.in_flight == 0


def test_an_endpoint_takes_no_adapter_and_does_not_sleep() -> None:
    engine = EndpointEngine(answer, 1)
    engine.adapt(None)
    assert engine.sleep() is False
    engine.wake()
