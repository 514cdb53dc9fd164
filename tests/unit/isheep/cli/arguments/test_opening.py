"""A run's name in place of its file."""

import json
from pathlib import Path

import pytest

from isheep.api.status import SelfAlignmentRunStatus
from isheep.cli.arguments.opening import store_on_cluster, view_of
from isheep.cli.terminal.errors import BadInputError

NAMED = "lamb: in the store {}\n"
VERBS = [
    ("status", "RUN"),
    ("status", "RUN", "-o", "json"),
    ("logs", "RUN"),
    ("logs", "RUN", "i1/train"),
    ("report", "RUN", "-o", "-"),
    ("export", "RUN", "--iteration", "1", "-o", "-"),
]


def test_a_name_in_the_local_store_gives_the_output_of_its_file_and_names_the_store(finished):
    for words in VERBS:
        by_file, by_name = (
            finished(*(run if word == "RUN" else word for word in words))
            for run in ("run.yaml", "lamb")
        )
        assert by_file.exit_code == by_name.exit_code
        assert by_name.stdout == by_file.stdout
        assert by_name.stderr.startswith(NAMED.format(Path("isheep-store").absolute()))
        assert "in the store" not in by_file.stderr


def test_a_name_in_the_store_of_the_option_is_not_explained(finished):
    Path("isheep-store").rename("elsewhere")
    result = finished("status", "lamb", "--store", "elsewhere")
    assert result.stdout.startswith("lamb: Succeeded")
    assert result.stderr == ""


def test_a_name_that_the_store_does_not_have_is_refused_with_the_ways_to_find_it(finished):
    result = finished("status", "none")
    assert result.exit_code == 64
    store = Path("isheep-store").absolute()
    assert f"{store} has no run none (namespace default): `isheep list --store {store}`" in (
        result.stderr
    )
    assert "-n or --context" in result.stderr


def test_an_interrupted_run_is_resumed_in_its_store(finished):
    path = Path("isheep-store/default/runs/lamb/status.json")
    document = json.loads(path.read_text())
    document["conditions"] = [c for c in document["conditions"] if c["type"] == "Ready"]
    path.write_text(json.dumps(document))
    line = finished("status", "lamb").stdout.splitlines()[-1]
    store = Path("isheep-store").absolute()
    assert line.endswith(f"to resume: isheep run FILE --store {store}")


def test_a_file_in_stdin_is_a_run(finished):
    from typer.testing import CliRunner

    from isheep.cli.app import app

    result = CliRunner().invoke(app, ["status", "-"], input=Path("run.yaml").read_bytes())
    assert result.stdout.startswith("lamb: Succeeded")


def test_without_the_client_a_name_on_a_cluster_prints_the_pip_command(shell, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kubernetes", None)
    for words in (("status", "lamb"), ("logs", "lamb"), ("report", "lamb"), ("list",)):
        result = shell(*words, "-n", "team-a")
        assert result.exit_code == 64
        assert result.stderr.endswith("pip install 'isheep[cluster]'\n")
        assert len(result.stderr.splitlines()) == 1


def run_on_cluster(spec, **status):
    return view_of(
        {
            "metadata": {
                "namespace": "team-a",
                "name": "lamb",
                "uid": "1",
                "resourceVersion": "1",
                "generation": 0,
                "creationTimestamp": "2025-01-01T00:00:00Z",
            },
            "spec": spec,
            "status": SelfAlignmentRunStatus(**status).document(),
        }
    )


def test_the_store_of_a_run_on_a_cluster_is_that_of_the_option_the_spec_or_the_status():
    given = {"storage": {"s3": {"bucket": "spec-bucket", "prefix": "a/b"}}}
    status = {"model_uri": "s3://default-bucket/p/team-a/stages/abc/files"}
    assert store_on_cluster(run_on_cluster(given, **status), "s3://other").uri == "s3://other"
    assert store_on_cluster(run_on_cluster(given, **status), None).uri == "s3://spec-bucket/a/b"
    assert store_on_cluster(run_on_cluster({}, **status), None).uri == "s3://default-bucket/p"
    with pytest.raises(BadInputError, match="names no model and no report yet"):
        store_on_cluster(run_on_cluster({}), None)


@pytest.mark.parametrize("phase", ["Running", "Suspended", "Succeeded"])
def test_a_run_that_rests_on_its_cluster_is_read_too(phase):
    """The operator keeps no spec of such a run in memory; a user's command needs it."""
    spec = {"storage": {"s3": {"bucket": "data"}}}
    run = run_on_cluster(spec, phase=phase, observed_generation=0)
    assert (run.spec, run.status.phase) == (spec, phase)
