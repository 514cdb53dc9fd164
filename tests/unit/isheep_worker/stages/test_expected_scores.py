"""assess with expected scores: on a model that answers with digits, and on one that does not."""

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
def marking_model_dir(brief_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The brief model, made to say digits: they have more of the common direction, too."""
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("marking") / "model"
    shutil.copytree(brief_model_dir, folder)
    tensors = load_file(folder / "model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    digits = tokenizer.convert_tokens_to_ids(list("0123456789"))
    tensors["model.embed_tokens.weight"][digits, 0] += 1.3
    tensors["model.embed_tokens.weight"][tokenizer.eos_token_id, 0] += 0.7
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def expected(forker, finished, marking_model_dir, tmp_path_factory):
    """A run with expected scores that nothing disturbed. Read only."""
    folder = tmp_path_factory.mktemp("store")
    chain = type(finished)(folder, marking_model_dir, forker.carry_out, **EXPECTED)
    chain.run()
    return chain


def rows(chain, codec, stage: str) -> list:
    return [codec.decode(line) for line in chain.artifacts.read_lines(chain.key(stage))]


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
    # What is not generated is not counted as generated.
    sampled = sum(len(row.compared) for row in scores)
    assert statistics["tokens"] <= sampled * 24


def test_the_first_pairs_are_sampled_too_and_nothing_else_looks_at_it(expected) -> None:
    scores = rows(expected, SCORES, "i1/assess")
    assert all(row.compared["Quality"].raw for row in scores[:COMPARED])
    assert not any(row.compared for row in scores[COMPARED:])
    kept = [row for row in rows(expected, SELECTIONS, "i1/select") if row.kept]
    wanted = [
        row.id for row in scores if all(level.score > THRESHOLD for level in row.levels.values())
    ]
    assert [row.id for row in kept] == wanted
    assert wanted


def test_examples_are_shown_in_an_order_of_each_pairs_own(expected) -> None:
    orders = Counter(row.order for row in rows(expected, SCORES, "i1/assess"))
    assert sorted(orders) == ["1-2-3", "1-3-2", "2-1-3", "2-3-1", "3-1-2", "3-2-1"]


def test_the_report_tells_of_mass_agreement_and_orders(expected) -> None:
    run = RunRef(namespace="default", name="demo", uid="uid-1")
    documents = RunDocuments(expected.artifacts.store, run)
    quality, following = json.loads(documents.read("report.json"))["iterations"][0]["scores"]
    assert (quality["level"], following["level"]) == ("Quality", "Following")
    assert quality["mass"] == pytest.approx(expected.statistics["i1/assess"]["mass:Quality"])
    assert sum(quality["distribution"]) == pytest.approx(1)
    assert 0 < quality["agreement"]["pairs"] <= COMPARED
    assert sum(order["pairs"] for order in quality["orders"]) == 70
    assert b"Expected and sampled scores compared" in documents.read("report.html")


def test_a_stopped_and_repeated_stage_leaves_the_same_bytes(
    expected, forker, marking_model_dir, tmp_path
) -> None:
    chain = type(expected)(tmp_path / "copy", marking_model_dir, forker.carry_out, **EXPECTED)
    shutil.copytree(expected.folder, chain.folder, symlinks=True)
    chain.prepared, chain.statistics = expected.prepared, dict(expected.statistics)
    order = chain.step("i1/assess")
    chain.uncommit("i1/assess")
    # The second part, of 6, is not compared and complete before the first.
    ((code, _),) = forker.run({"order": order, "stop_at": 6})
    assert code == ExitCode.STOPPED
    assert chain.artifacts.parts(order.steps[0].key) == [1]
    assert forker.carry_out(order).exit_code == 0
    assert chain.content() == expected.content()


def test_a_model_that_does_not_answer_with_labels_fails_the_stage(
    copied, make_chain, forker
) -> None:
    fields = {"assessment__scoring": "Expected", "assessment__decoding": "Free"}
    chain = make_chain(copied.folder, forker.carry_out, **fields)
    chain.run(until="i1/assess")
    # Another way of scoring begins where scores begin.
    assert all(chain.results[stage].steps[0].adopted for stage in chain.statistics if "/" in stage)
    result = forker.carry_out(chain.next_order())
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "LowLabelMass")
    assert "the labels 0 to 9 hold 0.0" in result.message
    assert "scoring: Sampled" in result.message
    assert chain.artifacts.manifest(chain.key("i1/assess")) is None


def test_labels_that_are_not_the_tokenizers_are_noticed(expected, forker) -> None:
    order = expected.step("i1/assess")
    (step,) = order.steps
    labels = step.settings["labels"]
    other = {**labels, "tokenIds": labels["tokenIds"][::-1]}
    step = step.model_copy(update={"settings": {**step.settings, "labels": other}, "key": "1" * 64})
    result = forker.carry_out(order.model_copy(update={"steps": (step,)}))
    assert (result.exit_code, result.reason) == (ExitCode.BAD_INPUT, "BadInput")
    assert "the labels' tokens are" in result.message
