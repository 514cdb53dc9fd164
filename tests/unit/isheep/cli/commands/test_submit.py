"""What `isheep submit` refuses before it sends a request."""

import sys
from pathlib import Path

import pytest


@pytest.fixture
def offline(shell, monkeypatch):
    """A shell without the Kubernetes client, so a request ends with the pip command."""
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    return shell


def test_a_file_with_a_problem_is_refused_with_its_place(offline):
    offline.spec["iterations"] = 0
    offline.write()
    result = offline("submit", "run.yaml", "-n", "team-a")
    assert result.exit_code == 64
    assert result.stderr.startswith("run.yaml:7:")


def test_a_folder_of_this_machine_is_refused(offline):
    offline.spec["storage"] = {"folder": {"path": "there"}}
    offline.write()
    result = offline("submit", "run.yaml", "-n", "team-a")
    assert result.exit_code == 64
    assert "spec.storage.folder is a folder of one machine" in result.stderr


def test_two_namespaces_are_refused(offline):
    text = Path("run.yaml").read_text()
    Path("run.yaml").write_text(text.replace("name: lamb", "name: lamb\n  namespace: team-b"))
    result = offline("submit", "run.yaml", "-n", "team-a")
    assert result.exit_code == 64
    assert "metadata.namespace is team-b, but -n is team-a" in result.stderr
    assert "isheep[cluster]" in offline("submit", "run.yaml", "-n", "team-b").stderr


def test_a_valid_file_prints_its_warnings_and_is_sent(offline):
    offline.spec["training"] = {"effectiveBatchSize": 17}
    offline.write()
    warning, error = offline("submit", "run.yaml", "-n", "team-a").stderr.splitlines()
    assert "warning: " in warning
    assert error.endswith("pip install 'isheep[cluster]'")
