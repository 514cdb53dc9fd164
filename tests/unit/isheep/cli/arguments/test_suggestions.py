"""What shell completion offers for runs and for `--set`."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from isheep.api.reading.set_values import parse_path
from isheep.cli.arguments import suggestions

from ..test_startup import complete, slow


def names(incomplete="", **params):
    return suggestions.runs(SimpleNamespace(params=params), incomplete)


@pytest.fixture
def stores(shell):
    """Two stores with the documents of runs as `isheep run` writes them, and other folders."""
    for folder in (
        "isheep-store/default/runs/lamb",
        "isheep-store/default/runs/ewe",
        "isheep-store/team/runs/ram",
        "other/default/runs/lamb-2",
        "isheep-store/default/runs/bad\x1b[31m",
    ):
        Path(folder).mkdir(parents=True)
        Path(folder, "run.json").write_text("{}")
    Path("isheep-store/default/runs/of-a-cluster").mkdir()
    Path("bad\n.yaml").touch()
    return shell


@pytest.mark.usefixtures("stores")
def test_runs_are_those_of_the_store_and_the_files_of_the_folder():
    assert names() == ["ewe", "lamb", "run.yaml"]
    assert names("l") == ["lamb"]
    assert names("lamb", store="other") == ["lamb-2"]
    assert names("r", store="isheep-store", namespace="team") == ["ram", "run.yaml"]


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    "params",
    [
        {"namespace": "team"},
        {"context": "c", "store": "isheep-store"},
        {"store": "s3://bucket"},
        {"store": "nowhere"},
        {"store": "run.yaml"},
        {"store": "~no-such-user-here"},
    ],
)
def test_no_cluster_and_no_bucket_is_read(params):
    assert names(**params) == ["run.yaml"]


def test_the_names_of_a_real_store_are_found(two_runs):
    assert names() == ["lamb", "other", "other.yaml", "run.yaml"]


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("isheep status l", ["lamb"]),
        ("isheep report --store other lamb", ["lamb-2"]),
        ("isheep compare lamb e", ["ewe"]),
    ],
)
def test_the_shell_completes_the_argument_of_a_run_quickly(words, expected):
    output, modules = complete(words)
    assert output.split() == expected
    assert not slow(modules)


def test_the_shell_completes_the_fields_of_set():
    output, _ = complete("isheep run run.yaml --set spec.selection.m")
    assert output.split() == ["spec.selection.method=", "spec.selection.minSamples="]


def test_every_suggested_field_can_be_set():
    found = suggestions.set_fields("spec.")
    assert "spec.iterations=" in found
    assert "spec.training=" not in found
    assert found == suggestions.set_fields("")
    assert all(parse_path(field.rstrip("=")) for field in found)
