from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from isheep.api.order import Sources
from isheep.api.store_spec import parse_store_uri
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep_worker.contract import BadInputError
from isheep_worker.models import ModelFolders, bucket_spec, cache_folder, mirrored

KEY = "a" * 64


class RemoteStore(FolderStore):
    """A folder that hides that it is one, as a bucket does."""

    def local_path(self, key: str) -> Path | None:
        return None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("hf://org/name", "/models/name"),
        ("hf://org/name-instruct", "hf://org/name-instruct"),
        ("hf://other/name", "/mirror/other/name"),
        ("s3://bucket/x", "s3://bucket/x"),
    ],
)
def test_the_longest_mirrored_beginning_is_replaced(uri: str, expected: str) -> None:
    mirrors = {"hf://org/name": "/models/name", "hf://other": "/mirror/other"}
    assert mirrored(uri, mirrors) == expected


def test_a_bucket_is_at_the_service_of_the_runs_store() -> None:
    own = parse_store_uri("s3://mine/runs", endpoint="http://localhost:8333", addressing="Path")
    spec = bucket_spec("s3://models/llama/8b/", own).s3
    assert spec is not None
    assert (spec.bucket, spec.prefix) == ("models", "llama/8b")
    assert (spec.endpoint, spec.addressing) == ("http://localhost:8333", "Path")
    assert bucket_spec("s3://models/llama", parse_store_uri("/store")).uri == "s3://models/llama"


def test_the_cache_follows_the_environment() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/isheep")
    assert cache_folder({}) == Path.home() / ".cache/isheep"


def folders(make_order, store: FolderStore, tmp_path: Path, model: str = "/model") -> ModelFolders:
    order = make_order().model_copy(update={"sources": Sources(model=model, model_revision="r1")})
    return ModelFolders(order, ArtifactStore(store, "default"), tmp_path / "cache")


@pytest.mark.parametrize("spelling", ["{}", "file://{}"])
def test_a_base_model_is_used_where_it_lies(spelling: str, make_order, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    models = folders(make_order, FolderStore(tmp_path), tmp_path, spelling.format(folder))
    assert models.base() == models.tokenizer() == folder
    assert models.revision() == "r1"


def test_a_base_model_that_is_not_there_is_told(make_order, tmp_path: Path) -> None:
    models = folders(make_order, FolderStore(tmp_path), tmp_path, str(tmp_path / "none"))
    with pytest.raises(BadInputError, match=r"model.storageUri: .*none"):
        models.base()


@pytest.mark.parametrize("store_type", [FolderStore, RemoteStore])
def test_a_stages_model_comes_out_of_the_store(
    store_type: type[FolderStore], make_order, tmp_path: Path
) -> None:
    store = store_type(tmp_path / "store")
    artifacts = ArtifactStore(store, "default")
    files = []
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text(name)
        files.append(artifacts.write_file(KEY, name, tmp_path / name))
    now = datetime.now(UTC)
    artifacts.commit(
        KEY,
        Manifest(
            key=KEY,
            stage=StageInfo(kind="merge", version=1, id="i1/merge", iteration=1),
            files=tuple(files),
            timings=Timings(started_at=now, finished_at=now),
            run=make_order().run,
        ),
    )
    models = folders(make_order, store, tmp_path)
    for _ in range(2):
        folder = models.of_stage(KEY)
        assert (folder / "config.json").read_text() == "config.json"
        assert (folder / "model.safetensors").read_text() == "model.safetensors"
    assert folder.is_relative_to(store.uri if store_type is FolderStore else tmp_path / "cache")
