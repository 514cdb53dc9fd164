"""prepare with a judge: what it resolves of a model, and what one request to an endpoint shows."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import JudgeEndpointRef
from isheep_worker.templates.prompting import chat_format_digest, resolve_prompting

from ..engines.endpoint_server import EndpointServer, Reply, chat, refusal, serving
from .test_prepare import run_order

FREE = {"assessment__assessor": "Judge", "assessment__decoding": "Free"}
JUDGED = {"assessment__assessor": "Judge"}


@pytest.fixture
def judge_dir(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """The tiny model with another length, as a judge."""
    folder = tmp_path / "judge"
    shutil.copytree(tiny_model_dir, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 1024}))
    return folder


def judge_of(folder: Path) -> dict[str, Any]:
    return {"judge": {"model": {"storageUri": f"file://{folder}"}}}


def with_endpoint(server: EndpointServer, **changes: Any) -> dict[str, Any]:
    """Return the arguments of a driver for a run whose pairs an endpoint scores."""
    reference = JudgeEndpointRef(
        url=server.url,
        model="judge-1",
        max_concurrent_requests=4,
        timeout_seconds=30,
        max_retries=0,
    )
    endpoint = {"endpoint": {"url": server.url, "model": "judge-1"}}
    return {"sources": {"judge_endpoint": reference}, "judge": endpoint, **FREE, **changes}


def test_the_model_of_a_judge_is_resolved_as_m0_is(
    make_driver, judge_dir, tmp_path, caplog
) -> None:
    sources = {"judge": f"file://{judge_dir}"}
    driver = make_driver(
        tmp_path / "store", run_order, sources=sources, **judge_of(judge_dir), **JUDGED
    )
    with caplog.at_level(logging.WARNING):
        driver.run(until="i1/generate")
    judge, prepared = driver.prepared.judge, driver.prepared
    assert judge.digest != prepared.model_digest
    assert judge.dtype == "float32"
    # The prompts of the judge have another length than those of the run's models.
    assert 0 < judge.max_model_length <= 1024
    assert judge.chat_format == chat_format_digest(resolve_prompting(judge_dir).chat_format)
    assert "its model_type llama is that of M(0)" in caplog.text

    pinned = sources | {"pinned": {"judge": "f" * 64}}
    other = make_driver(
        tmp_path / "store", run_order, sources=pinned, **judge_of(judge_dir), **JUDGED
    )
    result = run_order(other.next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadInput")
    assert "judge.model.storageUri: the files of" in result.message


def test_a_judge_without_a_chat_template_scores_raw_prompts_only(
    make_driver, judge_dir, tmp_path
) -> None:
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        path = judge_dir / name
        if name.endswith(".json"):
            config = json.loads(path.read_text())
            config.pop("chat_template", None)
            path.write_text(json.dumps(config))
        else:
            path.unlink(missing_ok=True)
    common = {"sources": {"judge": f"file://{judge_dir}"}, **judge_of(judge_dir), **JUDGED}
    chats = make_driver(tmp_path / "store", run_order, **common)
    result = run_order(chats.next_order())
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "has no chat template" in result.message
    assert "set assessment.promptFormat: Raw" in result.message
    raw = make_driver(tmp_path / "store", run_order, **common, assessment__promptFormat="Raw")
    raw.run(until="i1/generate")
    assert raw.prepared.judge is not None


def test_the_labels_of_expected_scores_are_those_of_the_judges_tokenizer(
    make_driver, judge_dir, tmp_path
) -> None:
    changes = {"assessment__scoring": "Expected", **FREE}
    driver = make_driver(
        tmp_path / "store",
        run_order,
        sources={"judge": f"file://{judge_dir}"},
        **judge_of(judge_dir),
        **changes,
    )
    driver.run(until="i1/generate")
    assert list(driver.prepared.score_labels) == ["Chat"]


def test_one_request_of_the_longest_prompt_shows_that_an_endpoint_can_be_used(
    make_driver, tmp_path
) -> None:
    with serving(lambda *_: chat("8", prompt_tokens=1, completion_tokens=1)) as server:
        driver = make_driver(tmp_path / "store", run_order, **with_endpoint(server))
        driver.run(until="i1/generate")
    (received,) = server.received
    text = received.body["messages"][0]["content"]
    # The response of a pair has up to 24 tokens, which are not known yet.
    assert text.endswith(" word" * 24)
    assert "score" in text.lower()
    assert received.body["max_tokens"] == 24
    assert driver.prepared.judge is None


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (refusal(401), ExitCode.BAD_INPUT, "answers 401: the key is refused"),
        (refusal(404), ExitCode.BAD_INPUT, "it has no model 'judge-1'"),
        (
            refusal(400, code="context_length_exceeded"),
            ExitCode.BAD_INPUT,
            "for the answer do not fit 'judge-1'; use a model with a longer context",
        ),
        (chat(None, "length"), ExitCode.BAD_INPUT, "writes no answer within 24 tokens"),
        (refusal(429), ExitCode.UNREACHABLE, "answers 429: too many requests"),
        (refusal(500), ExitCode.UNREACHABLE, "answers 500: an error of the server"),
        (Reply(b"<html>"), ExitCode.UNREACHABLE, "answers without a completion of a chat"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_refused_before_any_stage(
    reply: Reply, code: ExitCode, words: str, make_driver, tmp_path
) -> None:
    with serving(lambda *_: reply) as server:
        driver = make_driver(tmp_path / "store", run_order, **with_endpoint(server))
        result = run_order(driver.next_order())
    assert result.exit_code == code
    assert words in result.message
    assert result.message.startswith(f"judge.endpoint: {server.url.removesuffix('/v1')}")
