"""Old spellings of rule names: the table, and the readers that map them."""

from __future__ import annotations

import json
import re

import pytest

from isheep.api.status import StageRecord
from isheep.contract.order import StageResult, parse_result
from isheep.contract.rule_names import (
    OLD_SPELLINGS,
    current_examples,
    current_name,
    current_statistics,
)
from isheep.store.manifest import Manifest, PartInfo, decode

OLD_MANIFEST = {
    "schemaVersion": 1,
    "key": "a" * 64,
    "stage": {"kind": "select", "version": 1, "id": "i1/select", "iteration": 1, "round": None},
    "parts": [
        {
            "name": "part-00000.jsonl.zst",
            "sha256": "b" * 64,
            "bytes": 10,
            "index": 0,
            "items": 12,
            "statistics": {"drop:rule-question_back": 2},
        }
    ],
    "files": [],
    "inputs": {"pairs": ["c" * 64]},
    "settings": {},
    "environment": {},
    "timings": {"startedAt": "2026-11-23T17:00:00Z", "finishedAt": "2026-11-23T17:00:01Z"},
    "statistics": {
        "pairs": 12,
        "kept": 7,
        "meanScore": 8.5,
        "drop:rule:question_back": 2,
        "drop:score:Quality": 3,
    },
    "examples": {"rule:question_back": ["rule:question_back: Name a bird."]},
    "run": {"namespace": "default", "name": "demo", "uid": "u"},
}
"""A manifest as the version before the table wrote it."""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rouge", "rouge-l"),
        ("question_back", "question-back"),
        ("rule-question_back", "question-back"),
        ("rule:question_back", "question-back"),
        ("rule:options", "options"),
        ("noinput", "no-input"),
        ("parse-missing_output", "parse-missing-output"),
        ("score:Quality", "score-quality"),
        ("unparseable:Following", "unparseable-following"),
        ("unparseable-Quality-no-number", "unparseable-quality-no-number"),
        ("unparseable:no-number", "unparseable-no-number"),
        ("unscorable:not-finite", "unscorable-not-finite"),
        ("perplexity:Pair", "perplexity-pair"),
        ("cluster:not_drawn", "cluster-not-drawn"),
        ("parse-cut", "parse-cut"),
        ("question-back", "question-back"),
        ("a-rule-of-a-later-version", "a-rule-of-a-later-version"),
    ],
)
def test_an_old_spelling_has_a_current_name(old: str, new: str) -> None:
    assert current_name(old) == new


def test_every_current_name_is_in_kebab_case_and_is_not_an_old_spelling() -> None:
    for name in OLD_SPELLINGS.values():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert name not in OLD_SPELLINGS


def test_the_counts_of_all_spellings_of_a_rule_are_added() -> None:
    statistics = {"pairs": 70, "drop:rule-options": 2, "score:Quality:8": 5, "drop:options": 3}
    assert current_statistics(statistics) == {
        "pairs": 70,
        "drop:options": 5,
        "score:Quality:8": 5,
    }


def test_the_examples_of_all_spellings_of_a_rule_are_joined() -> None:
    examples = {"rule:new_turn": ("a",), "url": ("b",), "new-turn": ("c",)}
    assert current_examples(examples) == {"new-turn": ("a", "c"), "url": ("b",)}


def test_a_manifest_of_an_earlier_version_has_the_current_names() -> None:
    manifest = decode(Manifest, json.dumps(OLD_MANIFEST).encode(), "manifest.json", "Delete it.")
    assert manifest.statistics == {
        "pairs": 12,
        "kept": 7,
        "meanScore": 8.5,
        "drop:question-back": 2,
        "drop:score-quality": 3,
    }
    assert manifest.examples == {"question-back": ("rule:question_back: Name a bird.",)}
    assert manifest.parts[0].statistics == {"drop:question-back": 2}


def test_a_part_of_an_earlier_version_has_the_current_names() -> None:
    fields = {"name": "p", "sha256": "b" * 64, "bytes": 1, "index": 0, "items": 1}
    part = PartInfo.model_validate({**fields, "statistics": {"drop:parse-empty_instruction": 1}})
    assert part.statistics == {"drop:parse-empty-instruction": 1}


def test_the_result_of_an_earlier_worker_has_the_current_names() -> None:
    step = {"id": "i1/curate/r1", "key": "a" * 64, "statistics": {"drop:rouge": 9, "accepted": 3}}
    text = json.dumps({"schemaVersion": 1, "outcome": "Committed", "steps": [step]})
    result = parse_result(text)
    assert isinstance(result, StageResult)
    assert result.steps[0].statistics == {"drop:rouge-l": 9, "accepted": 3}


def test_the_status_of_an_earlier_version_has_the_current_names() -> None:
    record = StageRecord.read_stored(
        {"id": "i1/select", "key": "a" * 64, "counts": {"kept": 7.0, "drop:rule:new_turn": 1.0}}
    )
    assert record.counts == {"kept": 7.0, "drop:new-turn": 1.0}
