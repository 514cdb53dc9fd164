from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError

from isheep.contract.order import RunRef, Sources
from isheep.contract.store_spec import parse_store_uri
from isheep.recipes.settings import ModelSettings
from isheep.store.artifacts import ArtifactStore
from isheep.store.folder import FolderStore
from isheep.store.manifest import Manifest, StageInfo, Timings
from isheep_worker.engines.adapter import Adapter
from isheep_worker.inputs.model_files import inspect_model
from isheep_worker.inputs.models import ModelFolders, Weights, bucket_spec
from isheep_worker.runtime.errors import BadInputError, SourceUnreachableError
from isheep_worker.runtime.failures import failure_of

KEY = "a" * 64


class RemoteStore(FolderStore):
    """A folder that, like a bucket, has no local paths."""

    def local_path(self, key: str) -> Path | None:
        return None


def test_a_bucket_is_at_the_service_of_the_runs_store() -> None:
    own = parse_store_uri("s3://mine/runs", endpoint="http://localhost:8333", addressing="Path")
    spec = bucket_spec("s3://models/llama/8b/", own, "f").s3
    assert spec is not None
    assert (spec.bucket, spec.prefix) == ("models", "llama/8b")
    assert (spec.endpoint, spec.addressing) == ("http://localhost:8333", "Path")
    spec = bucket_spec("s3://models/llama", parse_store_uri("/store"), "f")
    assert spec.uri == "s3://models/llama"
    with pytest.raises(
        BadInputError, match=r"model.storageUri: s3://models/my llama is not a bucket"
    ):
        bucket_spec("s3://models/my llama", own, "model.storageUri")


def folders(
    make_order,
    store: FolderStore,
    tmp_path: Path,
    model: str = "/model",
    mirrors: dict[str, str] | None = None,
) -> ModelFolders:
    sources = Sources(model=model, model_revision="r1", mirrors=mirrors or {})
    order = make_order().model_copy(update={"sources": sources})
    return ModelFolders(order, ArtifactStore(store, "default"), tmp_path / "cache")


@pytest.mark.parametrize("spelling", ["{}", "file://{}"])
def test_a_base_model_in_a_folder_is_used_in_place(
    spelling: str, make_order, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    models = folders(make_order, FolderStore(tmp_path), tmp_path, spelling.format(folder))
    assert models.base() == models.tokenizer() == folder
    assert models.revision() == "r1"


def test_a_base_model_that_does_not_exist_is_bad_input(make_order, tmp_path: Path) -> None:
    models = folders(make_order, FolderStore(tmp_path), tmp_path, str(tmp_path / "none"))
    with pytest.raises(BadInputError, match=r"model.storageUri: .*none"):
        models.base()


def test_a_failed_download_shows_the_status_of_the_hub_and_no_signed_url(
    make_order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = SimpleNamespace(status_code=503, headers={}, request=None)

    def fail(*_: object, **__: object) -> str:
        url = "https://files.example/weights?Signature=secret"
        raise HfHubHTTPError(f"503 Server Error for url: {url}", response=response)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    models = folders(make_order, FolderStore(tmp_path), tmp_path, "hf://org/model")
    with pytest.raises(SourceUnreachableError, match="HTTP status 503") as caught:
        models.base()
    assert "secret" not in failure_of(caught.value).message


def test_a_claim_is_read_from_the_folder_where_it_is_mounted(make_order, tmp_path: Path) -> None:
    (tmp_path / "mnt/models/llama").mkdir(parents=True)
    mirrors = {"pvc://claim": str(tmp_path / "mnt"), "hf://meta": "pvc://claim/models"}
    for uri in ("pvc://claim/models/llama", "hf://meta/llama"):
        models = folders(make_order, FolderStore(tmp_path), tmp_path, uri, mirrors)
        assert models.base() == models.tokenizer() == tmp_path / "mnt/models/llama"
        assert models.revision() == "r1"
    unmounted = folders(make_order, FolderStore(tmp_path), tmp_path, "pvc://other/llama", mirrors)
    with pytest.raises(BadInputError, match=r"model.storageUri: pvc://other/llama: the claim is"):
        unmounted.base()


@pytest.fixture
def bucket(tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteStore:
    """A model in a bucket; every `s3://` URI resolves to it."""
    store = RemoteStore(tmp_path / "bucket")
    for path in tiny_model_dir.iterdir():
        store.put(path.name, path)
    store.put("original/consolidated.safetensors", b"the same weights in another format")
    store.put("pytorch_model.bin", b"a pickle")
    monkeypatch.setattr("isheep_worker.inputs.models.open_store", lambda _: store)
    return store


def test_a_mirror_in_a_bucket_is_downloaded_and_keeps_the_runs_revision(
    bucket, tiny_model_dir: Path, make_order, tmp_path: Path
) -> None:
    mirrors = {"hf://org": "s3://models/org"}
    models = folders(make_order, bucket, tmp_path, "hf://org/name", mirrors)
    small = {path.name for path in models.tokenizer().iterdir() if path.name[0] != "."}
    assert "config.json" in small
    assert "model.safetensors" not in small
    whole = {path.name for path in models.base().iterdir() if path.name[0] != "."}
    assert whole == small | {"model.safetensors"}
    assert models.base() == models.tokenizer()
    assert models.revision() == "r1"
    assert inspect_model(models.base()) == inspect_model(tiny_model_dir)


def test_the_digest_of_a_model_ignores_a_download_in_flight(
    bucket, make_order, tmp_path: Path
) -> None:
    folder = folders(make_order, bucket, tmp_path, "s3://models/name").base()
    before = inspect_model(folder)
    (folder / ".0123456789abcdef.model.safetensors").write_bytes(b"partial")
    assert inspect_model(folder) == before


def test_a_cached_file_that_is_too_short_is_downloaded_again(
    bucket, make_order, tmp_path: Path
) -> None:
    models = folders(make_order, bucket, tmp_path, "s3://models/name")
    weights = models.base() / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    assert (models.base() / "model.safetensors").read_bytes() == whole


def test_a_model_that_was_trained_again_is_not_mixed_with_its_old_files(
    bucket, make_order, tmp_path: Path
) -> None:
    models = folders(make_order, bucket, tmp_path, "s3://models/name")
    old = models.base()
    weights = bytearray(bucket.get("model.safetensors"))
    weights[-1] ^= 1
    bucket.put("model.safetensors", bytes(weights))
    os.utime(tmp_path / "bucket/model.safetensors", (0, 0))
    new = models.base()
    assert new != old
    assert (new / "model.safetensors").read_bytes() == bytes(weights)
    assert (old / "model.safetensors").read_bytes() != bytes(weights)


def test_a_bucket_without_a_model_is_bad_input(
    make_order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = RemoteStore(tmp_path / "empty")
    monkeypatch.setattr("isheep_worker.inputs.models.open_store", lambda _: empty)
    with pytest.raises(BadInputError, match="there is no model at s3://models/name"):
        folders(make_order, empty, tmp_path, "s3://models/name").base()


def commit_files(artifacts: ArtifactStore, folder: Path, run: RunRef, **texts: str) -> None:
    """Commit files under `KEY`, like merge and train."""
    files = []
    for name, text in texts.items():
        (folder / name).write_text(text)
        files.append(artifacts.write_file(KEY, name, folder / name))
    now = datetime.now(UTC)
    artifacts.commit(
        KEY,
        Manifest(
            key=KEY,
            stage=StageInfo(kind="merge", version=1, id="i1/merge", iteration=1),
            files=tuple(files),
            timings=Timings(started_at=now, finished_at=now),
            run=run,
        ),
    )


@pytest.mark.parametrize("store_type", [FolderStore, RemoteStore])
def test_the_model_of_a_stage_is_read_from_the_store(
    store_type: type[FolderStore], make_order, tmp_path: Path
) -> None:
    store = store_type(tmp_path / "store")
    artifacts = ArtifactStore(store, "default")
    names = ("config.json", "model.safetensors")
    commit_files(artifacts, tmp_path, make_order().run, **{name: name for name in names})
    models = folders(make_order, store, tmp_path)
    for _ in range(2):
        folder = models.of_stage(KEY)
        assert (folder / "config.json").read_text() == "config.json"
        assert (folder / "model.safetensors").read_text() == "model.safetensors"
    if store_type is RemoteStore:
        (folder / "config.json").write_text("conf")
        assert (models.of_stage(KEY) / "config.json").read_text() == "config.json"
    assert folder.is_relative_to(store.uri if store_type is FolderStore else tmp_path / "cache")


def test_the_cache_separates_the_models_of_two_stores(make_order, tmp_path: Path) -> None:
    """A key names the settings, so two stores may contain different weights under one key."""
    found = []
    for name, weights in (("one", "warm"), ("other", "cold")):
        store = RemoteStore(tmp_path / name)
        artifacts = ArtifactStore(store, "default")
        commit_files(artifacts, tmp_path, make_order().run, **{"model.safetensors": weights})
        folder = folders(make_order, store, tmp_path).of_stage(KEY)
        found.append((folder / "model.safetensors").read_text())
    assert found == ["warm", "cold"]


@pytest.mark.parametrize("store_type", [FolderStore, RemoteStore])
def test_a_model_is_the_base_the_merged_weights_or_the_base_with_an_adapter(
    store_type: type[FolderStore], make_order, tmp_path: Path
) -> None:
    store, base = store_type(tmp_path / "store"), tmp_path / "base"
    base.mkdir()
    artifacts = ArtifactStore(store, "default")
    texts = {"adapter_config.json": '{"r": 8}', "adapter_model.safetensors": "weights"}
    commit_files(artifacts, tmp_path, make_order().run, **texts)
    models = folders(make_order, store, tmp_path, str(base))

    def settings(handover: str | None = None) -> ModelSettings:
        return ModelSettings(
            base_model="digest",
            engine="VLLM",
            dtype="float32",
            max_model_length=512,
            handover=handover,
            chat_format="",
        )

    output = models.of_stage(KEY)
    assert models.weights(settings(), ()) == Weights("digest", base)
    assert models.weights(settings("Merged"), (KEY,)) == Weights(KEY, output)
    adapted = models.weights(settings("Adapter"), (KEY,))
    assert adapted == Weights("digest", base, Adapter(KEY, output, 8))
