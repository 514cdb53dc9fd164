"""`isheep list`: the runs in a store, as text and as JSON."""

import json
from pathlib import Path

import yaml


def test_the_runs_of_a_store_are_listed_with_their_state(finished):
    result = finished("list")
    assert result.exit_code == 0
    head, line = result.stdout.splitlines()
    assert head.split() == ["NAME", "RECIPE", "PHASE", "PROGRESS", "ITERATIONS", "KEPT", "CREATED"]
    assert line.split()[:3] == ["lamb", "ISheep", "Succeeded"]
    assert line.split()[-4:-2] == ["1/1", "2"]


def test_json_has_the_figures_of_each_iteration_with_their_counts(finished):
    document = yaml.safe_load(Path("run.yaml").read_text())
    document["metadata"]["name"] = "a-failed-run"
    Path("failed.yaml").write_text(yaml.safe_dump(document))
    (finished.control / "prepare.0").write_text("fail 64 BadModel")
    assert finished("run", "failed.yaml").exit_code == 64
    failed, lamb = json.loads(finished("list", "-o", "json").stdout)
    assert (failed["name"], failed["phase"], failed["history"]) == ("a-failed-run", "Stalled", [])
    assert (lamb["name"], lamb["iterations"]) == ("lamb", 1)
    assert lamb["history"][0]["kept"] == 2


def test_a_store_without_runs_prints_so(shell):
    result = shell("list", "--store", "isheep-store", "-n", "team-a")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("isheep-store, namespace team-a: no run\n")


def test_without_options_the_local_store_is_used_and_named(finished):
    result = finished("list")
    assert result.stderr == f"{Path('isheep-store').absolute()}, namespace default:\n"
