"""`isheep gc`: what it prints, asks and refuses; tests/store/test_garbage.py has the decisions."""

import json
import os
import pty
import shutil
from pathlib import Path

import pytest
from tests.unit.isheep.cli.test_processes import read_until, start

from isheep.cli.figures.size_text import size
from isheep.contract.order import RunRef
from isheep.local.lock import RunLock
from isheep.local.paths import LocalPaths
from isheep.local.stored_run import StoredRun
from isheep.store.documents import RunDocuments, references
from isheep.store.folder import FolderStore

STORE = Path("isheep-store")
NOW = ("--older-than", "0s")


def files() -> set[str]:
    return {str(path) for path in STORE.rglob("*") if not path.is_dir()}


def usage(shell) -> dict:
    return json.loads(shell("du", "-o", "json").stdout)


@pytest.fixture
def with_garbage(two_runs):
    """Two runs, of which `other` was deleted."""
    store = FolderStore(STORE)
    # The copy of the store has another place than the store in which the runs were started, and a
    # deleted run is known by its place.
    for reference in list(references(store, "default")):
        if reference.run.name == "other":
            RunDocuments(store, StoredRun(store, "default", "other").ref).add_ref(reference.key)
            store.delete(reference.place)
    shutil.rmtree(STORE / "default/runs/other")
    return two_runs


def test_a_dry_run_prints_what_would_be_deleted_with_sizes_and_deletes_nothing(with_garbage):
    before, alone = files(), usage(with_garbage)["runs"][1]["bytes_alone"]
    result = with_garbage("gc", "--dry-run", *NOW)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{STORE.absolute()}, namespace default:"
    assert lines[1].split() == ["STAGE", "STATE", "SIZE"]
    assert all(line.split()[1] == "committed" for line in lines[2:-2])
    assert lines[-2] == "references of deleted runs: other"
    assert lines[-1].startswith(f"to delete: {len(lines) - 4} committed and 0 unfinished stages, ")
    assert f" {size(alone)};" in lines[-1]
    assert files() == before


def test_after_it_the_store_has_what_its_runs_use_and_they_still_read_it(with_garbage):
    status = with_garbage("status", "lamb").stdout
    result = with_garbage("gc", "--yes", *NOW)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("deleted: ")
    found = usage(with_garbage)
    assert [run["name"] for run in found["runs"]] == ["lamb"]
    assert found["unused"] == 0
    assert found["runs"][0]["bytes_alone"] == found["stages"]
    assert with_garbage("status", "lamb").stdout == status
    assert with_garbage("export", "lamb", "--iteration", "1", "-o", "-").exit_code == 0
    assert with_garbage("gc", "--yes", *NOW).stdout.splitlines()[-1] == "nothing to delete"


def test_young_stages_are_kept_without_an_option(with_garbage):
    before = usage(with_garbage)
    text = with_garbage("gc", "--yes").stdout
    assert text.splitlines()[-1].startswith("deleted: 0 committed and 0 unfinished stages, 0 B; ")
    assert usage(with_garbage)["stages"] == before["stages"]


def test_json_has_the_keys_and_bytes_of_what_is_deleted(with_garbage):
    planned = json.loads(with_garbage("gc", "--dry-run", "-o", "json", *NOW).stdout)
    assert {stage["deleted"] for stage in planned["stages"]} == {False}
    assert planned["deletedRuns"] == ["other"]
    done = json.loads(with_garbage("gc", "--yes", "-o", "json", *NOW).stdout)
    assert {stage["deleted"] for stage in done["stages"]} == {True}
    assert [one["key"] for one in done["stages"]] == [one["key"] for one in planned["stages"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "isheep: gc: there is no terminal to ask; add --yes"),
        (("-o", "json"), "add --dry-run or --yes"),
        (("--older-than", "week"), "--older-than 'week': write numbers"),
    ],
)
def test_without_an_answer_nothing_is_deleted(with_garbage, arguments, message):
    before = files()
    result = with_garbage("gc", *NOW, *arguments)
    assert result.exit_code == 64
    assert message in result.stderr
    assert files() == before


@pytest.mark.parametrize(("answer", "code"), [("n\n", 143), ("\n", 143), ("\x04", 143), ("y\n", 0)])
def test_a_terminal_is_asked(with_garbage, answer, code):
    before = files()
    terminal, side = pty.openpty()
    process = start("gc", *NOW, stdin=side, stdout=side, stderr=side)
    os.close(side)
    read_until(terminal, "Delete this? [y/N] ")
    os.write(terminal, answer.encode())
    read_until(terminal, "deleted")
    assert process.wait() == code
    os.close(terminal)
    assert (files() == before) is (code != 0)


def test_a_damaged_document_of_any_run_is_named_and_nothing_is_deleted(with_garbage):
    FolderStore(STORE).put("default/runs/lamb/status.json", b"{")
    before = files()
    result = with_garbage("gc", "--yes", *NOW)
    assert result.exit_code == 74
    assert f"{STORE.absolute()}/default/runs/lamb/status.json is damaged" in result.stderr
    assert files() == before


def test_a_run_of_a_cluster_that_no_report_covers_is_refused_with_its_removal(with_garbage):
    uid = "5f0c6a0e-0000-4000-8000-000000000001"
    run = RunRef(namespace="default", name="far", uid=uid)
    RunDocuments(FolderStore(STORE), run).add_ref("a" * 64)
    RunDocuments(FolderStore(STORE), run).write("prepare.json", b"{}")
    before = files()
    result = with_garbage("gc", "--yes", *NOW)
    assert result.exit_code == 64
    assert f"far (uid {uid})" in result.stderr
    assert files() == before

    place = f"{STORE.absolute()}/default"
    line = result.stderr.splitlines()[-1]
    commands = f"rm {place}/refs/*/{uid}; rm -r {place}/runs/far"
    assert line.endswith(commands)
    assert os.system(commands) == 0
    assert with_garbage("gc", "--yes", *NOW).exit_code == 0


def test_the_process_that_executes_a_run_is_named(with_garbage):
    ref = StoredRun(FolderStore(STORE), "default", "lamb").ref
    lock = RunLock.take(LocalPaths.of(ref.uid, os.environ).lock)
    try:
        text = with_garbage("gc", "--dry-run", *NOW).stdout
    finally:
        lock.release()
    assert f"because process {os.getpid()} executes lamb" in text


def test_a_store_that_does_not_exist_has_nothing_to_delete(shell):
    result = shell("gc", "--store", "none", "--yes")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "nothing to delete")
    assert not Path("none").exists()
