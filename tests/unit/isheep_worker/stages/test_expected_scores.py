"""assess with expected scores, on a model that answers with digits and on one that does not."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from isheep.contract.exit_codes import ExitCode
from isheep.contract.order import RunRef
from isheep.store.documents import RunDocuments
from isheep_worker.rows.schema import SCORES, SELECTIONS

COMPARED = 40
THRESHOLD = 4
EXPECTED = {
    "assessment__scoring": "Expected",
    "assessment__decoding": "Constrained",
    "assessment__compare": COMPARED,
    "assessment__rubric": "InContext",
    "assessment__exampleOrder": "Shuffled",
    "selection__threshold": THRESHOLD,
}


@pytest.fixture(scope="session")
def digit_model_dir(short_text_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the short-text model whose next tokens are often digits.

    The digits get a larger component in the common direction (see `short_text_model_dir`).
    """
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("digits") / "model"
    shutil.copytree(short_text_model_dir, folder)
    tensors = load_file(folder / "model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    digits = tokenizer.convert_tokens_to_ids(list("0123456789"))
    tensors["model.embed_tokens.weight"][digits, 0] += 1.3
    tensors["model.embed_tokens.weight"][tokenizer.eos_token_id, 0] += 0.7
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def expected(fork_server, finished_run, digit_model_dir, tmp_path_factory):
    """A complete run with expected scores. Tests only read it."""
    folder = tmp_path_factory.mktemp("store")
    driver = type(finished_run)(folder, digit_model_dir, fork_server.run_order, **EXPECTED)
    driver.run()
    return driver


def rows(driver, codec, stage: str) -> list:
    return [codec.decode(line) for line in driver.artifacts.read_lines(driver.key(stage))]


def test_every_pair_has_scores_with_their_distribution(expected) -> None:
    scores = rows(expected, SCORES, "i1/assess")
    assert len(scores) == 70
    for row in scores:
        assert set(row.levels) == {"Quality", "Following"}
        for level in row.levels.values():
            mean = sum(n * p for n, p in enumerate(level.distribution, start=1))
            assert level.score == pytest.approx(mean)
            assert 0.1 <= level.mass <= 1
            assert not level.raw
    assert len({row.levels["Quality"].score for row in scores}) > 60
    statistics = expected.statistics["i1/assess"]
    masses = [level.mass for row in scores for level in row.levels.values()]
    assert statistics["meanMass"] == pytest.approx(sum(masses) / len(masses))
    assert statistics["scored"] == 70
    # Labels are not generated, so their requests do not count as generated tokens.
    sampled = sum(len(row.compared) for row in scores)
    assert statistics["tokens"] <= sampled * 24


def test_the_first_pairs_also_have_sampled_scores_that_the_selection_ignores(expected) -> None:
    scores = rows(expected, SCORES, "i1/assess")
    assert all(row.compared["Quality"].raw for row in scores[:COMPARED])
    assert not any(row.compared for row in scores[COMPARED:])
    kept = [row for row in rows(expected, SELECTIONS, "i1/select") if row.kept]
    wanted = [
        row.id for row in scores if all(level.score > THRESHOLD for level in row.levels.values())
    ]
    assert [row.id for row in kept] == wanted
    assert wanted


def test_the_order_of_the_examples_is_drawn_for_each_pair(expected) -> None:
    orders = Counter(row.order for row in rows(expected, SCORES, "i1/assess"))
    assert sorted(orders) == ["1-2-3", "1-3-2", "2-1-3", "2-3-1", "3-1-2", "3-2-1"]


def test_the_report_shows_mass_agreement_and_orders(expected) -> None:
    run = RunRef(namespace="default", name="demo", uid="uid-1")
    documents = RunDocuments(expected.artifacts.store, run)
    quality, following = json.loads(documents.read("report.json"))["iterations"][0]["scores"]
    assert (quality["level"], following["level"]) == ("Quality", "Following")
    assert quality["mass"] == pytest.approx(expected.statistics["i1/assess"]["mass:Quality"])
    assert sum(quality["distribution"]) == pytest.approx(1)
    assert 0 < quality["agreement"]["pairs"] <= COMPARED
    assert sum(order["pairs"] for order in quality["orders"]) == 70
    assert b"Expected and sampled scores compared" in documents.read("report.html")


def test_a_stopped_and_retried_stage_has_the_same_bytes(
    expected, fork_server, digit_model_dir, tmp_path
) -> None:
    driver = type(expected)(tmp_path / "copy", digit_model_dir, fork_server.run_order, **EXPECTED)
    shutil.copytree(expected.folder, driver.folder, symlinks=True)
    driver.prepared, driver.statistics = expected.prepared, dict(expected.statistics)
    order = driver.step("i1/assess")
    driver.uncommit("i1/assess")
    # The second part has 6 pairs and no second scores, so it is complete before the first part.
    ((code, _),) = fork_server.run({"order": order, "stop_after_parts": 1})
    assert code == ExitCode.STOPPED
    assert driver.artifacts.parts(order.steps[0].key) == [1]
    assert fork_server.run_order(order).exit_code == 0
    assert driver.content() == expected.content()


def test_the_stage_fails_if_the_model_does_not_answer_with_labels(
    copied_run, make_driver, fork_server
) -> None:
    fields = {"assessment__scoring": "Expected", "assessment__decoding": "Free"}
    driver = make_driver(copied_run.folder, fork_server.run_order, **fields)
    driver.run(until="i1/assess")
    # Another scoring method changes no key of a stage before assess.
    assert all(
        driver.results[stage].steps[0].adopted for stage in driver.statistics if "/" in stage
    )
    result = fork_server.run_order(driver.next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "LowLabelMass")
    assert "the labels 0 to 9 have 0.0" in result.message
    assert "scoring: Sampled" in result.message
    assert driver.artifacts.manifest(driver.key("i1/assess")) is None


def test_labels_with_other_token_ids_are_refused(expected, fork_server) -> None:
    order = expected.step("i1/assess")
    (step,) = order.steps
    labels = step.settings["labels"]
    other = {**labels, "tokenIds": labels["tokenIds"][::-1]}
    step = step.model_copy(update={"settings": {**step.settings, "labels": other}, "key": "1" * 64})
    result = fork_server.run_order(order.model_copy(update={"steps": (step,)}))
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadInput")
    assert "the labels' tokens are" in result.message
