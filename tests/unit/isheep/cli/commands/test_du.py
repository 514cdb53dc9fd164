"""`isheep du`: the bytes of runs that share stages."""

import json
from pathlib import Path

import yaml

from isheep.store.folder import FolderStore


def stored(folder: str) -> int:
    store = FolderStore(Path("isheep-store"))
    return sum(len(store.get(info.key)) for info in store.list(f"default/{folder}/"))


def test_shared_bytes_count_for_each_run_and_once_in_the_sum(finished):
    document = yaml.safe_load(Path("run.yaml").read_text())
    document["metadata"]["name"] = "other"
    document["spec"]["selection"] = {"minSamples": 1, "threshold": 2}
    Path("other.yaml").write_text(yaml.safe_dump(document))
    assert finished("run", "other.yaml").exit_code == 0

    found = json.loads(finished("du", "-o", "json").stdout)

    lamb, other = found["runs"]
    assert (lamb["name"], other["name"]) == ("lamb", "other")
    assert 0 < lamb["bytes_alone"] < lamb["bytes"]
    shared = lamb["bytes"] - lamb["bytes_alone"]
    assert shared == other["bytes"] - other["bytes_alone"]
    assert found["stages"] == stored("stages")
    assert found["stages"] - found["unused"] == (
        shared + lamb["bytes_alone"] + other["bytes_alone"]
    )
    assert found["documents"] == stored("runs")
    text = finished("du").stdout.splitlines()
    assert text[0].split() == ["RUN", "STAGES", "SIZE", "ALONE"]
    assert [line.split()[0] for line in text[1:3]] == ["lamb", "other"]


def test_a_damaged_reference_is_named(finished):
    store = FolderStore(Path("isheep-store"))
    reference = next(iter(store.list("default/refs/"))).key
    store.put(reference, b"{")
    result = finished("du")
    assert result.exit_code == 74
    assert reference in result.stderr
