"""The cards of a data set and of a model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from isheep.api.run import SelfAlignmentRun
from isheep.contract.order import RunRef
from isheep.export.dataset_card import dataset_card
from isheep.export.facts import Base, Facts, facts
from isheep.export.model_card import model_card
from isheep.store.manifest import Environment, Manifest, StageInfo, Timings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SELECT = {"method": "SelfAssessment", "levels": ["Quality", "Following"], "threshold": 8}


def manifest(kind: str, t: int = 2, *, model: str = "hf://org/tiny@abc", **fields: Any) -> Manifest:
    return Manifest(
        key=kind * 8,
        stage=StageInfo(kind=kind, version=1, id=f"i{t}/{kind}", iteration=t),
        environment=Environment(packages={"isheep": "1.2", "peft": "0.21"}, model=model),
        timings=Timings(started_at=NOW, finished_at=NOW),
        run=RunRef(namespace="n", name="lamb", uid="u"),
        **fields,
    )


def gathered(seeds: dict[str, str] | None = None, **replaced: Manifest) -> Facts:
    spec = {"recipe": "ISheep", "iterations": 2, "model": {"storageUri": "hf://org/tiny"}}
    if seeds is not None:
        spec["seedTasks"] = seeds
    run = SelfAlignmentRun.model_validate(
        {
            "apiVersion": "isheep.dev/v1alpha1",
            "kind": "SelfAlignmentRun",
            "metadata": {"name": "lamb"},
            "spec": spec,
        }
    )
    stages = {
        "curate/r1": manifest("curate", statistics={"accepted": 1234}),
        "generate/r1": manifest("generate", settings={"seedTasks": "5eed"}),
        "assess": manifest(
            "assess",
            settings={"rubric": "Combined", "scoring": "Sampled"},
            inputs={"model": ("k",)},
        ),
        "select": manifest(
            "select",
            settings=SELECT,
            statistics={"pairs": 1200, "kept": 99, "meanScore": 9.25},
        ),
        "train": manifest(
            "train",
            settings={"lora": {"r": 8, "alpha": 16, "dropout": 0.05}, "learningRate": 5e-5},
            statistics={"samples": 90, "trainLoss": 1.5, "evalLoss": 1.75},
        ),
        **replaced,
    }
    return facts(run, 2, {f"i2/{id_}": stage for id_, stage in stages.items()})


def parts(card: str) -> tuple[dict[str, Any], str]:
    empty, front, body = card.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front), body


def test_the_card_of_a_data_set_has_its_origin_its_figures_and_the_meaning_of_its_scores() -> None:
    front, body = parts(dataset_card(gathered(), "messages", "train.jsonl", 99, "apache-2.0"))
    assert front["license"] == "apache-2.0"
    assert front["language"] == ["en"]
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "train.jsonl"}]
    for text in (
        "`org/tiny` (revision `abc`)",
        "| recipe | ISheep |",
        "the built-in seed tasks of isheep (SHA-256 `5eed`)",
        "| accepted instructions | 1,234 |",
        "| kept pairs | 99 |",
        "| mean score of kept pairs | 9.250 |",
        "a score from 1 to 10 on each level (Quality, Following)",
        "M(1), the model that wrote the pairs, gave the scores with the rubric Combined",
        "each of its scores is above 8",
        "the licence `apache-2.0`",
    ):
        assert text in body
    assert "None" not in body


def test_a_card_without_a_stated_licence_names_that_of_the_base() -> None:
    front, body = parts(dataset_card(gathered(), "alpaca", "train.json", 1))
    assert (front["license"], front["license_name"]) == ("other", "licence-of-the-base-model")
    assert "comes from `org/tiny` (revision `abc`), so the licence of that model applies" in body


def test_the_card_of_an_adapter_names_the_base_and_the_evaluation() -> None:
    found = gathered()
    assert found.train is not None
    front, body = parts(model_card(found, found.train, is_adapter=True))
    assert (front["base_model"], front["base_model_relation"]) == ("org/tiny", "adapter")
    assert front["library_name"] == "peft"
    for text in (
        "A LoRA adapter of `org/tiny`",
        "| LoRA r, alpha, dropout | 8, 16, 0.05 |",
        "| training samples | 90 |",
        "Training loss 1.500, validation loss 1.750",
        "no results of benchmarks",
        "isheep 1.2, peft 0.21",
    ):
        assert text in body


def test_the_card_of_merged_weights_names_the_model_that_training_started_from() -> None:
    train = manifest("train", inputs={"model": ("k",)})
    front, body = parts(model_card(gathered(train=train), train, is_adapter=False))
    assert (front["library_name"], front["base_model_relation"]) == ("transformers", "finetune")
    assert "| training started from | M(1) |" in body
    assert "Full weights" in body
    assert "validation loss not measured" in body


@pytest.mark.parametrize("uri", ["file:///home/me/tiny", "s3://mine/tiny", "pvc://claim/tiny"])
def test_a_card_contains_no_private_location(uri: str) -> None:
    select = manifest("select", model=uri, settings=SELECT)
    found = gathered({"storageUri": "s3://mine/seeds.jsonl"}, select=select)
    card = dataset_card(found, "messages", "train.jsonl", 1)
    assert "mine" not in card
    assert "home" not in card
    assert "a base model that is not on the hub" in card
    assert "seed tasks of the user (SHA-256 `5eed`)" in card
    train = manifest("train", model=uri)
    assert "base_model" not in parts(model_card(found, train, is_adapter=True))[0]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"endpoint": {"model": "judge-1"}}, "The model `judge-1` at an endpoint gave the scores"),
        ({"model": {"of": "Judge"}}, "The judge of the run gave the scores"),
    ],
)
def test_a_card_says_that_a_judge_gave_the_scores(settings: dict[str, Any], text: str) -> None:
    assess = manifest("assess", settings={"rubric": "Simple", "scoring": "Sampled", **settings})
    card = dataset_card(gathered(assess=assess), "messages", "train.jsonl", 1)
    assert text in card
    assert "the opinion of a language model about the text of another model" in card


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("Perplexity", "are perplexities under the model"),
        ("Random", "by the method Random, which uses no scores"),
    ],
)
def test_the_scores_of_other_methods_are_not_called_opinions(method: str, text: str) -> None:
    select = manifest("select", settings={"method": method})
    card = dataset_card(gathered(select=select), "messages", "train.jsonl", 1)
    assert text in card
    assert "from 1 to 10" not in card


def test_the_base_is_the_name_on_the_hub() -> None:
    assert Base.of("hf://org/tiny@abc") == Base("org/tiny", "abc")
    assert Base.of("hf://org/tiny") == Base("org/tiny", None)
    assert Base.of("/models/tiny") == Base.of(None) == Base(None, None)
