"""The volumes of a pod: claims, the model cache, ConfigMaps and shared memory."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isheep.api.base import QUANTITY_PATTERN
from isheep.kube.job_building.jobs import Installation

from ..builders import a_start
from ..job_documents import env_of, job_for, mounts_of, pod_of


def claim(name: str) -> tuple[str, Any, bool]:
    return "persistentVolumeClaim", {"claimName": name, "readOnly": True}, True


@pytest.mark.parametrize(
    ("kind", "spec", "mirrors", "claims"),
    [
        ("respond", {}, {}, []),
        ("respond", {"model": {"storageUri": "pvc://models/a/b"}}, {}, ["models"]),
        ("respond", {}, {"hf://org": "pvc://copies/org"}, ["copies"]),
        ("respond", {}, {"hf://org/model": "pvc://copies/m"}, ["copies"]),
        ("respond", {}, {"hf://other": "pvc://copies/org"}, []),
        ("respond", {}, {"hf://or": "pvc://copies/org"}, []),
        ("respond", {}, {"hf://org": "s3://b/x", "s3://b": "pvc://copies/b"}, ["copies"]),
        ("respond", {"seedTasks": {"storageUri": "pvc://seeds/s.jsonl"}}, {}, []),
        ("prepare", {"seedTasks": {"storageUri": "pvc://seeds/s.jsonl"}}, {}, ["seeds"]),
        (
            "prepare",
            {
                "model": {"storageUri": "pvc://models/a"},
                "curation": {
                    "decontamination": {
                        "benchmarks": [
                            {"name": "a", "storageUri": "pvc://bench/a"},
                            {"name": "b", "storageUri": "pvc://bench/b"},
                        ]
                    }
                },
            },
            {},
            ["bench", "models"],
        ),
    ],
    ids=[
        "no claim",
        "model",
        "mirror of an organisation",
        "mirror of a model",
        "mirror of another organisation",
        "a prefix of the name",
        "mirror of a mirror",
        "seed tasks, and the stage is respond",
        "seed tasks, and the stage is prepare",
        "each claim once",
    ],
)
def test_a_stage_mounts_the_claims_of_its_sources(
    kind: str, spec: dict[str, Any], mirrors: dict[str, str], claims: list[str]
) -> None:
    chart = Installation("i", "Always", None, mirrors)
    found = mounts_of(job_for(a_start(kind), chart=chart, **spec))
    assert {path: mount for path, mount in found.items() if path.startswith("/mnt")} == {
        f"/mnt/pvc/{name}": claim(name) for name in claims
    }


def test_the_model_cache_is_writable() -> None:
    job = job_for(compute={"modelCache": {"claimName": "cache"}})
    mount = ("persistentVolumeClaim", {"claimName": "cache"}, False)
    assert mounts_of(job)["/cache"] == mount
    assert env_of(job)["XDG_CACHE_HOME"] == "/cache"
    assert "XDG_CACHE_HOME" not in env_of(job_for())


CONFIG_MAPS = {
    "promptsRef": {"name": "prompts"},
    "seedTasks": {"configMapRef": {"name": "seeds", "key": "s.jsonl"}},
}


def test_only_prepare_mounts_config_maps() -> None:
    found = mounts_of(job_for(a_start("prepare"), **CONFIG_MAPS))
    assert {path: mount for path, mount in found.items() if path.startswith("/etc")} == {
        f"/etc/isheep/config-maps/{n}": ("configMap", {"name": n}, True)
        for n in ("prompts", "seeds")
    }
    for kind in ("generate", "curate", "train", "report"):
        assert not [
            p for p in mounts_of(job_for(a_start(kind), **CONFIG_MAPS)) if p.startswith("/etc")
        ]


@pytest.mark.parametrize(
    ("pool", "size"),
    [
        ({}, None),
        ({"shmSize": "8Gi"}, "8Gi"),
        ({"resources": {"limits": {"memory": "32Gi"}}}, str(16 * 1024**3)),
        ({"resources": {"limits": {"memory": "3"}}}, "1"),
        ({"shmSize": "1Gi", "resources": {"limits": {"memory": "32Gi"}}}, "1Gi"),
        ({"resources": {"requests": {"memory": "32Gi"}}}, None),
    ],
    ids=[
        "no field",
        "shmSize",
        "half of the limit",
        "rounded down",
        "shmSize and a limit",
        "a request only",
    ],
)
def test_shared_memory_is_the_field_of_the_pool_or_half_of_the_memory_limit(
    pool: dict[str, Any], size: str | None
) -> None:
    kind, source, read_only = mounts_of(job_for(compute={"inference": pool}))["/dev/shm"]
    assert (kind, source.get("sizeLimit"), read_only) == ("emptyDir", size, False)
    assert source["medium"] == "Memory"


@given(st.from_regex(re.compile(QUANTITY_PATTERN), fullmatch=True).filter(lambda q: len(q) <= 32))
def test_every_valid_memory_limit_gives_a_size_of_shared_memory(limit: str) -> None:
    pool = {"resources": {"limits": {"memory": limit}}}
    job = job_for(a_start("respond"), compute={"inference": pool})
    (shm,) = (v for v in pod_of(job)["volumes"] if v["name"] == "shm")
    assert int(shm["emptyDir"]["sizeLimit"]) >= 0
