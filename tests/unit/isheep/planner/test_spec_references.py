"""The references of a spec: the URIs, claims and ConfigMaps that a stage reads."""

from __future__ import annotations

from typing import Any

from isheep.api.run import SelfAlignmentRunSpec
from isheep.planner.spec_references import claim_mirrors, claim_names, config_map_names, source_uris
from isheep.recipes.stage_kinds import StageKind

from .simulation import spec_with

URIS = ["pvc://models/a/b", "hf://org/x", "s3://b/y"]
MIRRORS = {"hf://org": "pvc://copies/org"}
CONFIG_MAPS = {
    "promptsRef": {"name": "prompts"},
    "seedTasks": {"configMapRef": {"name": "seeds", "key": "s.jsonl"}},
}


def read(**fields: Any) -> SelfAlignmentRunSpec:
    return SelfAlignmentRunSpec.read(spec_with(**fields))


def test_only_prepare_reads_seed_tasks_and_benchmarks() -> None:
    benchmarks = [{"name": "a", "storageUri": "s3://bucket/a"}]
    spec = read(
        seedTasks={"storageUri": "s3://bucket/seeds.jsonl"},
        curation={"decontamination": {"benchmarks": benchmarks}},
    )
    assert source_uris(spec, StageKind.RESPOND) == ["hf://org/model"]
    assert source_uris(spec, StageKind.PREPARE) == [
        "hf://org/model",
        "s3://bucket/seeds.jsonl",
        "s3://bucket/a",
    ]


def test_claims_are_found_directly_and_through_mirrors() -> None:
    assert claim_names(URIS, MIRRORS) == ["copies", "models"]


def test_the_mirror_of_a_claim_is_its_mount_path() -> None:
    assert claim_mirrors(URIS, MIRRORS, "/mnt/pvc") == {
        "pvc://copies": "/mnt/pvc/copies",
        "pvc://models": "/mnt/pvc/models",
    }


def test_config_map_names_are_sorted() -> None:
    assert config_map_names(read(**CONFIG_MAPS)) == ["prompts", "seeds"]


def test_a_config_map_that_two_fields_name_is_returned_once() -> None:
    assert config_map_names(read(**{**CONFIG_MAPS, "promptsRef": {"name": "seeds"}})) == ["seeds"]


def test_a_spec_without_references_has_no_config_maps() -> None:
    assert config_map_names(read()) == []


def test_every_stage_can_read_the_judge() -> None:
    spec = read(judge={"model": {"storageUri": "pvc://judges/one"}})
    for kind in (StageKind.ASSESS, StageKind.PREPARE):
        assert source_uris(spec, kind)[:2] == ["hf://org/model", "pvc://judges/one"]
    endpoint = {"endpoint": {"url": "https://judge.example.com", "model": "m"}}
    assert source_uris(read(judge=endpoint), StageKind.ASSESS) == ["hf://org/model"]
