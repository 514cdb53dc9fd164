"""assess with the endpoint of a judge: its scores and its cost, and what is asked after a fault."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import JudgeEndpointRef
from isheep.recipes.settings import AssessSettings, EndpointSettings
from isheep_worker.rows.schema import PAIRS, SCORES, LevelScore, PairRow, ScoreRow

from ..engines.endpoint_server import EndpointServer, Reply, chat, refusal, serving
from .stage_runner import KEY, StageRunner, statistics

COUNT = 70
SECRET = "sk-very-secret"


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageRunner:
    """A store with pairs, and no model."""
    monkeypatch.setenv("ISHEEP_JUDGE_API_KEY", SECRET)
    found = StageRunner(tmp_path)
    rows = [
        PairRow(f"p{n}", f"Name bird {n}.", "", f"Bird number {n} sings.", "stop", 9, 4)
        for n in range(COUNT)
    ]
    found.commit("pairs", PAIRS, rows)
    return found


def settings(runner: StageRunner) -> AssessSettings:
    values = {**runner.assess_settings(), "decoding": "Free", "explanations": 0}
    return AssessSettings(**values, endpoint=EndpointSettings(model="judge-1", revision="a"))


def judged_by(server: EndpointServer, runner: StageRunner) -> None:
    runner.judge = {
        "judge_endpoint": JudgeEndpointRef(
            url=server.url,
            model="judge-1",
            max_concurrent_requests=4,
            timeout_seconds=30,
            max_retries=0,
        )
    }


def bird(body: dict[str, Any]) -> int:
    """Return the number of the bird that a request is about."""
    (found,) = set(re.findall(r"Bird number (\d+) sings", body["messages"][0]["content"]))
    return int(found)


def answer(body: dict[str, Any], _: int = 0) -> Reply:
    number = bird(body)
    text = "I cannot judge birds." if number == 3 else f"{number % 10 + 1}"
    return chat(text, prompt_tokens=100, completion_tokens=2)


def by(fingerprint: str) -> Callable[[dict[str, Any], int], Reply]:
    """Return the function that answers with a fingerprint, and fails at the 40th request."""

    def reply(body: dict[str, Any], number: int) -> Reply:
        if number == 40 and fingerprint == "fp_a":
            return refusal(500)
        document = json.loads(answer(body).body)
        return Reply(json.dumps({**document, "system_fingerprint": fingerprint}).encode())

    return reply


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_an_endpoint_scores_all_pairs_and_its_tokens_are_counted(
    runner: StageRunner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answer) as server:
        judged_by(server, runner)
        found = statistics(runner.run("assess", settings(runner), COUNT))
    rows: list[ScoreRow] = runner.rows(SCORES)
    scores = {row.id: row.levels["Quality"].score for row in rows}
    assert scores == {f"p{n}": None if n == 3 else float(n % 10 + 1) for n in range(COUNT)}
    assert found["scored"] == COUNT - 1
    sent = {row.id: row.levels["Quality"].answer for row in rows}
    assert all(one is not None and json.loads(one.json)["usage"] for one in sent.values())
    refused = sent["p3"]
    assert refused is not None
    assert "I cannot judge birds." in refused.json
    assert b"answer" not in SCORES.encode(ScoreRow("p", None, {"Quality": LevelScore(3.0)}))
    assert (found["promptTokens"], found["tokens"]) == (100 * COUNT, 2 * COUNT)
    assert found["modelLoads"] == 0
    assert Counter(bird(one.body) for one in server.received) == Counter(range(COUNT))
    assert len({one.body["seed"] for one in server.received}) == COUNT
    assert server.most_at_once <= 4
    assert all(one.headers["authorization"] == f"Bearer {SECRET}" for one in server.received)
    assert SECRET.encode() not in stored(tmp_path)
    assert SECRET not in caplog.text
    manifest = runner.artifacts.manifest(KEY)
    assert manifest is not None
    assert manifest.settings["endpoint"] == {"model": "judge-1", "revision": "a"}
    assert server.url not in json.dumps(manifest.settings)


def test_after_a_fault_no_answered_question_is_asked_again(runner: StageRunner) -> None:
    def failing(body: dict[str, Any], number: int) -> Reply:
        return refusal(500) if number == 40 else answer(body)

    with serving(failing) as server:
        judged_by(server, runner)
        result = runner.run("assess", settings(runner), COUNT)
    assert (result.exit_code, result.reason) == (ExitCode.UNREACHABLE, "SourceUnreachable")
    assert "answers 500: an error of the server" in str(result.message)
    asked = {bird(one.body) for one in server.received[:39]}
    with serving(answer) as again:
        judged_by(again, runner)
        statistics(runner.run("assess", settings(runner), COUNT))
    repeated = asked & {bird(one.body) for one in again.received}
    assert len(repeated) <= 4  # those that were in flight with the request that failed
    assert len(runner.rows(SCORES)) == COUNT


def test_the_models_that_answered_are_counted_and_a_worker_that_failed_loses_none(
    runner: StageRunner,
) -> None:
    for fingerprint in ("fp_a", "fp_b"):
        with serving(by(fingerprint)) as server:
            judged_by(server, runner)
            runner.run("assess", settings(runner), COUNT)
    manifest = runner.artifacts.manifest(KEY)
    assert manifest is not None
    served = {
        tuple(name.split(" ")[1:]): count
        for name, count in manifest.statistics.items()
        if name.startswith("served:")
    }
    assert set(served) == {("judge-1", "fp_a"), ("judge-1", "fp_b")}
    assert sum(served.values()) == COUNT
    assert served["judge-1", "fp_a"] >= 30
    raw = {row.id: row.levels["Quality"].raw for row in runner.rows(SCORES)}
    assert (raw["p3"], raw["p4"]) == ("I cannot judge birds.", "5")


def test_a_refused_key_ends_the_stage_at_once_and_is_not_shown(runner: StageRunner) -> None:
    with serving(lambda *_: refusal(401, f"Incorrect API key: {SECRET}")) as server:
        judged_by(server, runner)
        result = runner.run("assess", settings(runner), COUNT)
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "SourceRefused")
    assert "answers 401: the key is refused" in str(result.message)
    assert SECRET not in result.model_dump_json()
    assert len(server.received) <= 8
