"""The loader and a real API server accept the same specs and refuse the same specs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from isheep.api.reading.loader import SpecError, load_run
from isheep.api.reading.schema_paths import field_path
from isheep.api.run import SelfAlignmentRun

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
EXAMPLES = HERE.parents[1] / "examples"
GOOD = sorted((CORPUS / "good").glob("*.yaml")) + sorted(EXAMPLES.glob("*.yaml"))
BAD = sorted((CORPUS / "bad").glob("*.yaml"))


def strictly_created(server: Any, path: Path) -> Any:
    """Send a file unchanged, as a dry run, and return the response of the API server."""
    runs = "/apis/isheep.dev/v1alpha1/namespaces/default/selfalignmentruns"
    target = f"{runs}?fieldValidation=Strict&dryRun=All"
    return server.request("POST", target, path.read_text("utf-8"), "application/yaml")


def test_the_corpus_has_at_least_60_specs() -> None:
    assert len(GOOD) + len(BAD) >= 60


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_specs_are_accepted_by_both(path: Path, crd_server: Any) -> None:
    run = load_run(path).run
    answer = strictly_created(crd_server, path)
    assert answer.status == 201, answer.message
    # The server has filled in the same defaults as the loader.
    assert SelfAlignmentRun.read(answer.body).spec == run.spec


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_specs_are_refused_by_both(path: Path, crd_server: Any) -> None:
    expected = re.search(r"^# field: (.+)$", path.read_text("utf-8"), re.MULTILINE)
    assert expected is not None, "a bad spec needs a comment `# field: PATH`"
    with pytest.raises(SpecError) as refused:
        load_run(path)
    assert [field_path(p.path) for p in refused.value.problems] == [expected[1]]
    assert refused.value.problems[0].place is not None
    answer = strictly_created(crd_server, path)
    assert 400 <= answer.status < 500, answer.message
