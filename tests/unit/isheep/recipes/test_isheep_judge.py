"""A judge that scores the pairs of I-SHEEP: its place in keys, pools and prompts."""

from __future__ import annotations

from typing import Any

import pytest

from isheep.contract.choices import Pool
from isheep.contract.prepared import PreparedJudge
from isheep.recipes.builders.context import RunContext
from isheep.recipes.builders.judge import judge_of
from isheep.recipes.builders.prepare import data_fields
from isheep.recipes.interface import JUDGE_MODEL, Stage

from .isheep_stages import all_accepted, spec_of, walk
from .stages_of import PREPARED

ENDPOINT: dict[str, Any] = {
    "url": "https://judge.example.com/v1",
    "model": "judge-1",
    "revision": "a",
    "secretRef": {"name": "judge"},
}
JUDGE = PreparedJudge(
    digest="judge", revision="c1", dtype="bfloat16", max_model_length=4096, chat_format="chat-j"
)
WITH_JUDGE = PREPARED.model_copy(update={"judge": JUDGE})
MODEL = {"model": {"storageUri": "hf://other/judge"}}


def stages(judge: dict[str, Any], **assessment: Any) -> dict[str, Stage]:
    spec = spec_of(judge=judge, assessment={"assessor": "Judge", "controls": 50, **assessment})
    return walk(spec, all_accepted(2), WITH_JUDGE)[0]


@pytest.mark.parametrize("kind", ["assess", "controls"])
def test_an_endpoint_scores_in_a_pod_without_gpus_and_its_url_is_in_no_key(kind: str) -> None:
    stage = stages({"endpoint": ENDPOINT})[f"i2/{kind}"]
    settings = stage.settings.canonical()
    assert settings["endpoint"] == {"model": "judge-1", "revision": "a"}
    assert "model" not in settings
    assert settings["promptFormat"] == "Chat"
    assert "judge.example.com" not in str(settings)
    assert (stage.pool, stage.role, stage.model) == (Pool.PROCESSING, None, None)
    assert "model" not in stage.inputs


@pytest.mark.parametrize("kind", ["assess", "controls"])
def test_a_judge_that_is_loaded_scores_with_its_own_files_and_format(kind: str) -> None:
    stage = stages(MODEL)[f"i2/{kind}"]
    settings = stage.settings.canonical()
    assert settings["model"] == {
        "baseModel": "judge",
        "engine": PREPARED.engine,
        "dtype": "bfloat16",
        "maxModelLength": 4096,
        "chatFormat": "chat-j",
        "of": "Judge",
    }
    assert settings["promptFormat"] == "Chat"
    assert (stage.pool, stage.model) == (Pool.INFERENCE, JUDGE_MODEL)
    assert "model" not in stage.inputs
    assert stages(MODEL, promptFormat="Raw")[f"i2/{kind}"].settings.canonical()["promptFormat"] == (
        "Raw"
    )


def test_only_stages_of_the_judge_depend_on_the_judge() -> None:
    without, _ = walk(spec_of(), all_accepted(2))
    for name, stage in stages(MODEL).items():
        if name.rpartition("/")[2] not in ("prepare", "assess", "controls", "report", "select"):
            assert stage == without[name]


def test_prepare_asks_again_after_a_change_of_the_url_and_not_of_the_rate() -> None:
    def fields(**changes: Any) -> dict[str, Any]:
        return data_fields(spec_of(judge={"endpoint": {**ENDPOINT, **changes}}))

    same = {"maxConcurrentRequests": 9, "requestsPerMinute": 5, "timeoutSeconds": 9}
    assert fields(**same, maxRetries=1, secretRef={"name": "other"}) == fields()
    assert fields(url="https://other.example.com") != fields()
    assert fields(revision="b") != fields()
    model = {"storageUri": "hf://other/judge", "secretRef": {"name": "hub"}}
    run = {"storageUri": "hf://o/m", "secretRef": {"name": "hub"}}
    assert data_fields(spec_of(judge={"model": model}, model=run)) == data_fields(
        spec_of(judge=MODEL)
    )


def test_a_run_without_a_judge_has_none() -> None:
    with pytest.raises(ValueError, match="no judge"):
        judge_of(RunContext(spec_of(), PREPARED))
