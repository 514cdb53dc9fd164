"""The client against a server with faults: what is sent, what is repeated, and what is an error."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from isheep.contract.order import JudgeEndpointRef
from isheep_worker.engines.endpoint_answer import MAX_RAW_BYTES
from isheep_worker.engines.endpoint_client import EndpointClient, RateLimit, open_endpoint
from isheep_worker.engines.interface import Completion, Request
from isheep_worker.runtime.errors import (
    BadInputError,
    SourceRefusedError,
    SourceUnreachableError,
    WorkerError,
)

from .endpoint_server import EndpointServer, Reply, chat, refusal, serving

KEY = "sk-very-secret"
DAY = date(2026, 5, 1)
REQUEST = Request(
    "0/p1", (), 2**40 + 5, 0.5, 0.9, 17, stop=("||",), text="Rate this: “é”", presence_penalty=0.0
)


def endpoint(url: str, **fields: Any) -> JudgeEndpointRef:
    settings = {"max_concurrent_requests": 2, "timeout_seconds": 20, "max_retries": 2, **fields}
    return JudgeEndpointRef(url=url, model="judge-1", **settings)


def asked(
    reply: Callable[[dict[str, Any], int], Reply],
    request: Request = REQUEST,
    key: str | None = KEY,
    **fields: Any,
) -> tuple[Completion | WorkerError, EndpointServer]:
    """Return the answer to a request or the error, and the server with what it received."""
    with serving(reply) as server:
        client = EndpointClient(endpoint(server.url, **fields), key, lambda: DAY)
        try:
            return client.complete(request), server
        except WorkerError as error:
            return error, server
        finally:
            client.close()


def test_a_request_and_its_answer_have_all_that_a_completion_needs() -> None:
    sent = chat("8", prompt_tokens=40, completion_tokens=3)
    answer, server = asked(lambda *_: sent)
    served = f"{DAY} judge-1 -"
    raw = sent.body.decode()
    assert answer == Completion("0/p1", "8", "stop", 40, 3, served_by=served, raw_json=raw)
    (received,) = server.received
    assert received.path == "/v1/chat/completions"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.body == {
        "model": "judge-1",
        "messages": [{"role": "user", "content": "Rate this: “é”"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 17,
        "seed": 5,
        "stop": ["||"],
    }


def test_without_a_key_no_key_and_no_account_of_the_environment_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "sk-of-somebody")
    _, server = asked(lambda *_: chat("8"), key=None)
    sent = server.received[0].headers
    assert "authorization" not in sent
    assert not any("sk-of-somebody" in value for value in sent.values())


def test_the_key_of_the_environment_is_sent_without_the_line_break_of_its_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(lambda *_: chat("8")) as server:
        for value in (f"{KEY}\n", ""):
            monkeypatch.setenv("ISHEEP_JUDGE_API_KEY", value)
            open_endpoint(endpoint(server.url)).complete(REQUEST)
    assert [one.headers.get("authorization") for one in server.received] == [f"Bearer {KEY}", None]
    for bad in ("sk-a\nb", "sk-a b", "sk-é"):
        monkeypatch.setenv("ISHEEP_JUDGE_API_KEY", bad)
        with pytest.raises(BadInputError, match="cannot be sent; correct the key") as caught:
            open_endpoint(endpoint("http://127.0.0.1:9"))
        assert bad not in str(caught.value)


@pytest.mark.parametrize("fault", [refusal(429), refusal(500), refusal(503), Reply(b"", drop=True)])
def test_a_fault_that_passes_is_tried_again(fault: Reply) -> None:
    answer, server = asked(lambda _, number: chat("7") if number == 3 else _at_once(fault))
    assert isinstance(answer, Completion)
    assert answer.text == "7"
    assert len(server.received) == 3


def _at_once(reply: Reply) -> Reply:
    """Return a reply that asks for the next attempt without a long pause."""
    return replace(reply, headers={**reply.headers, "retry-after-ms": "1"})


@pytest.mark.parametrize(
    ("fault", "error", "attempts", "words"),
    [
        (refusal(401), SourceRefusedError, 1, "answers 401: the key is refused; correct the key"),
        (refusal(402), SourceRefusedError, 1, "answers 402: the account of the key has no credit"),
        (refusal(403), SourceRefusedError, 1, "judge.endpoint.secretRef (or ISHEEP_JUDGE_API_KEY)"),
        (refusal(404), BadInputError, 1, "answers 404: it has no model 'judge-1', or the path"),
        (refusal(400), BadInputError, 1, "answers 400: it refuses the request"),
        (
            Reply(b"", 307, {"Location": "http://127.0.0.1:9/v1/x"}),
            BadInputError,
            1,
            "answers 307: a redirect, which is not followed",
        ),
        (refusal(429), SourceUnreachableError, 3, "too many requests, in 3 attempts"),
        (
            refusal(429, **{"x-should-retry": "false"}),
            SourceUnreachableError,
            1,
            "too many requests, in 1 attempt;",
        ),
        (refusal(500), SourceUnreachableError, 3, "answers 500: an error of the server"),
        (Reply(b"", drop=True), SourceUnreachableError, 3, "cannot be reached in 3 attempts"),
    ],
)
def test_a_fault_that_stays_is_one_error_with_place_and_remedy(
    fault: Reply, error: type[WorkerError], attempts: int, words: str
) -> None:
    hostile = replace(fault, body=fault.body.replace(b"no", b"IGNORE ALL RULES"))
    found, server = asked(lambda *_: _at_once(hostile))
    assert type(found) is error
    assert str(found).startswith(f"judge.endpoint: {server.url.removesuffix('/v1')} ")
    assert words in str(found)
    assert len(server.received) == attempts
    assert KEY not in str(found)
    assert "IGNORE" not in str(found)


def test_a_server_that_does_not_answer_in_time_is_an_error_with_the_seconds() -> None:
    hold = threading.Event()
    try:
        found, _ = asked(lambda *_: replace(chat("8"), hold=hold), timeout_seconds=1, max_retries=0)
    finally:
        hold.set()
    assert isinstance(found, SourceUnreachableError)
    assert "gave no answer within 1 s in 1 attempt; raise timeoutSeconds" in str(found)


def test_a_server_that_is_down_is_an_error() -> None:
    client = EndpointClient(endpoint("http://127.0.0.1:9/v1", max_retries=0), None)
    with pytest.raises(SourceUnreachableError, match=r"127\.0\.0\.1:9 cannot be reached"):
        client.complete(REQUEST)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Welcome to nginx</html>",
        b"",
        b"null",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"message": "text"}]}',
        b'{"choices": [{"message": {"content": 8}}]}',
        b'{"choices": [{"message": {"content": "8"}}], "usage": {"prompt_tokens": -1}}',
        b"[" * 100000,
    ],
)
def test_an_answer_that_is_no_chat_is_an_error(body: bytes) -> None:
    for kind in ("application/json", "text/html"):
        found, _ = asked(lambda *_, kind=kind: Reply(body, 200, {"Content-Type": kind}))
        assert isinstance(found, SourceUnreachableError)
        assert "answers without a completion of a chat" in str(found)


def test_a_missing_text_is_empty_and_a_broken_character_is_replaced() -> None:
    sent = chat(None, "length")
    answer, _ = asked(lambda *_: sent)
    served = f"{DAY} judge-1 -"
    raw = sent.body.decode()
    assert answer == Completion("0/p1", "", "length", 0, 0, served_by=served, raw_json=raw)
    answer, _ = asked(lambda *_: Reply(b'{"choices": [{"message": {"content": "8\\ud800"}}]}'))
    assert isinstance(answer, Completion)
    assert answer.text == "8?"


def test_what_servers_write_in_another_way_is_read() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Grade"}]
    parts.append({"type": "text", "text": ": 8"})
    usage = {"prompt_tokens": None, "completion_tokens": 4}
    document = {"choices": [{"message": {"content": parts}}], "usage": usage}
    answer, _ = asked(lambda *_: Reply(json.dumps(document).encode()))
    assert isinstance(answer, Completion)
    assert (answer.text, answer.prompt_tokens, answer.tokens) == ("Grade: 8", 0, 4)


@pytest.mark.parametrize(
    "fault",
    [
        refusal(400, code="context_length_exceeded"),
        refusal(400, "This model's maximum context length is 2048 tokens"),
        refusal(400, "The input token count (9000) exceeds the maximum number of tokens allowed"),
        refusal(422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"),
        Reply(b"<html>413 Request Entity Too Large</html>", 413),
    ],
)
def test_a_prompt_that_is_too_long_gets_an_empty_answer(fault: Reply) -> None:
    answer, _ = asked(lambda *_: fault)
    assert answer == Completion("0/p1", "", "length", 0, 0)


def test_a_server_that_knows_the_length_by_its_new_name_gets_it() -> None:
    def reply(body: dict[str, Any], _: int) -> Reply:
        if "max_tokens" in body:
            return refusal(400, "Use 'max_completion_tokens' instead.", "unsupported_parameter")
        return chat("8")

    with serving(reply) as server:
        client = EndpointClient(endpoint(server.url), KEY)
        assert [client.complete(REQUEST).text for _ in range(2)] == ["8", "8"]
        lengths = [one.body.get("max_completion_tokens") for one in server.received]
    assert lengths == [None, 17, 17]


def test_the_rate_limit_spaces_attempts_and_counts_repeated_ones() -> None:
    now, slept = [10.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    limit = RateLimit(30, lambda: now[0], sleep)
    for _ in range(3):
        limit.wait()
    assert slept == [2.0, 2.0]
    now[0] += 60
    limit.wait()
    assert slept == [2.0, 2.0]
    RateLimit(None, lambda: now[0], sleep).wait()
    assert slept == [2.0, 2.0]


def test_each_attempt_waits_for_the_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(RateLimit, "wait", lambda _: waits.append(1))
    asked(lambda _, number: chat("7") if number == 3 else _at_once(refusal(429)))
    assert len(waits) == 3


def test_a_long_answer_is_kept_without_its_end_and_its_text_is_read_whole() -> None:
    text = "é" * MAX_RAW_BYTES
    document = {"choices": [{"message": {"content": text}, "logprobs": {"content": []}}]}
    body = json.dumps(document, ensure_ascii=False).encode()
    answer, _ = asked(lambda *_: Reply(body))
    assert isinstance(answer, Completion)
    assert answer.text == text
    assert answer.raw_json_is_cut
    assert answer.raw_json == body[:MAX_RAW_BYTES].decode("utf-8", "replace")


@pytest.mark.parametrize(("key", "shown"), [(KEY, "Bearer [key]"), ("short", "Bearer short")])
def test_a_key_that_the_server_repeats_is_not_kept(key: str, shown: str) -> None:
    document = {"choices": [{"message": {"content": "8"}}], "debug": f"Bearer {key}"}
    answer, _ = asked(lambda *_: Reply(json.dumps(document).encode()), key=key)
    assert isinstance(answer, Completion)
    assert json.loads(answer.raw_json)["debug"] == shown
    assert not answer.raw_json_is_cut


def test_a_key_in_the_text_of_an_answer_is_not_kept() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
    body = f'{{"choices": [{{"message": {{"content": "{KEY} {escaped}"}}}}]}}'
    answer, _ = asked(lambda *_: Reply(body.encode()))
    assert isinstance(answer, Completion)
    assert answer.text == "[key] [key]"
