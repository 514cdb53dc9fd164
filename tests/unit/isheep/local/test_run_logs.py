"""The lines of one stage in a worker's log, and the logs in a store."""

from pathlib import Path

from isheep.contract.order import RunRef
from isheep.local.paths import LocalPaths
from isheep.local.run_logs import lines_of, local_logs, stored_logs
from isheep.store.documents import RunDocuments
from isheep.store.folder import FolderStore

LOG = [
    "loading libraries",
    "T INFO worker stage begins namespace=default run=demo stage=i1/respond attempt=1",
    "a line of a library",
    "T INFO worker stage ends namespace=default run=demo stage=i1/respond attempt=1",
    "between",
    "T INFO worker stage begins namespace=default run=demo stage=i1/assess attempt=1",
    "T ERROR worker stage failed run=demo stage=i1/assess attempt=1",
    "T INFO worker stage begins namespace=default run=demo stage=i1/assess attempt=2",
    "killed",
]
RUN = RunRef(namespace="default", name="demo", uid="uid")


def test_the_lines_of_a_stage_are_those_from_its_begin_to_its_end():
    assert list(lines_of("i1/respond", LOG)) == LOG[1:4]
    assert list(lines_of("i1/assess", LOG)) == LOG[5:]
    assert list(lines_of("i1/train", LOG)) == []


def test_a_log_without_the_stage_is_left_out(tmp_path: Path):
    paths = LocalPaths(tmp_path)
    assert list(local_logs(paths, None)) == []
    paths.logs.mkdir()
    (paths.logs / "b.log").write_text("\n".join(LOG))
    (paths.logs / "a.log").write_bytes(b"only this \xff\n")
    assert [log.name for log in local_logs(paths, None)] == ["a.log", "b.log"]
    (found,) = local_logs(paths, "i1/respond")
    assert (found.name, found.lines) == ("b.log", tuple(LOG[1:4]))


def test_the_logs_of_pods_are_found_by_the_first_stage_of_their_job(tmp_path: Path):
    store = FolderStore(tmp_path)
    documents = RunDocuments(store, RUN)
    for name in ("i1-generate-r1-1-0.log", "i1-train-1-0.log", "i1-train-2-0.log"):
        documents.write(f"logs/{name}", f"{name}\n".encode())
    assert len(list(stored_logs(store, RUN, None))) == 3
    assert {log.name for log in stored_logs(store, RUN, "i1/train")} == {
        "i1-train-1-0.log",
        "i1-train-2-0.log",
    }
    assert list(stored_logs(store, RUN, "i1/assess")) == []
