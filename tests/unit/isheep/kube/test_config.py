"""The configuration: its defaults, and errors that name the file and the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from isheep.contract.store_spec import S3StoreSpec
from isheep.kube.config import ConfigError, OperatorConfig, load_config

S3 = {"bucket": "some-bucket"}


def written(folder: Path, document: Any) -> Path:
    path = folder / "config.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def with_image(**fields: Any) -> dict[str, Any]:
    return {"workerImage": "worker:1", **fields}


def test_only_the_image_is_required(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, with_image()))
    assert config.worker_image == "worker:1"
    assert config.worker_image_pull_policy == "IfNotPresent"
    assert config.watch_namespaces == ()
    assert (config.default_s3, config.default_store) == (None, None)
    assert config.model_mirrors == {}
    assert (config.http_port, config.workers, config.debug) == (8080, 16, False)
    assert (config.lease.namespace, config.lease.name) == (None, "isheep-operator")
    assert config.lease.duration_seconds == 22
    timings = config.timings
    assert (timings.first_look_seconds, timings.look_seconds) == (15, 30)
    assert (timings.poll_seconds, timings.progress_seconds, timings.list_seconds) == (30, 60, 300)


def test_every_field_can_be_set(tmp_path: Path) -> None:
    document = with_image(
        workerImagePullPolicy="Always",
        appArmorProfile="RuntimeDefault",
        watchNamespaces=["a", "b"],
        defaultStorage={"s3": {**S3, "prefix": "p/q", "secretRef": {"name": "s3"}}},
        modelMirrors={"hf://org": "pvc://models/org"},
        prices={"currency": "EUR", "perHour": {"nvidia.com/gpu": 2.5}},
        httpPort=9000,
        workers=4,
        lease={"namespace": "system", "name": "other", "durationSeconds": 60},
        timings={"firstLookSeconds": 0.5, "listSeconds": 10},
        debug=True,
    )
    config = load_config(written(tmp_path, document))
    assert config.document() == OperatorConfig.read(document).document()
    assert config.watch_namespaces == ("a", "b")
    assert config.default_s3 is not None
    assert config.default_s3.secret_ref is not None
    assert config.default_store is not None
    # An order contains the store, so the store does not name the Secret.
    virtual = S3StoreSpec(bucket="some-bucket", prefix="p/q", addressing="Virtual")
    assert config.default_store.s3 == virtual
    assert config.timings.first_look_seconds == 0.5


def test_a_bucket_is_the_default_store_without_changes(tmp_path: Path) -> None:
    s3 = {
        "bucket": "some-bucket",
        "endpoint": "https://minio:9000/path",
        "region": "eu-1",
        "addressing": "Path",
    }
    config = load_config(written(tmp_path, with_image(defaultStorage={"s3": s3})))
    assert config.default_store is not None
    assert config.default_store.s3 == S3StoreSpec(**s3)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "workerImage"),
        (with_image(workerImage=""), "workerImage"),
        (with_image(workerImage=3), "workerImage"),
        (with_image(workerImagePullPolicy="Sometimes"), "workerImagePullPolicy"),
        (with_image(watchNamespaces=["Not A Name"]), "watchNamespaces.0"),
        (with_image(defaultStorage={"s3": {"bucket": "B"}}), "defaultStorage.s3.bucket"),
        (with_image(defaultStorage={"folder": {"path": "/data"}}), "defaultStorage"),
        (with_image(defaultStorage={"s3": S3, "folder": {"path": "/d"}}), "defaultStorage"),
        (with_image(defaultStorage={}), "defaultStorage"),
        (with_image(modelMirrors={"hf://org": ""}), "modelMirrors.hf://org"),
        (with_image(httpPort=70000), "httpPort"),
        (
            with_image(prices={"currency": "EUR", "perHour": {"nvidia.com/gpu": 1e300}}),
            "prices.perHour.nvidia.com/gpu",
        ),
        (with_image(workers=0), "workers"),
        (with_image(workers="16"), "workers"),
        (with_image(lease={"durationSeconds": 1}), "lease.durationSeconds"),
        (with_image(lease={"name": "-"}), "lease.name"),
        (with_image(timings={"lookSeconds": 0}), "timings.lookSeconds"),
        (with_image(timings={"progressSeconds": -1}), "timings.progressSeconds"),
        (with_image(debug="yes"), "debug"),
        (with_image(wokerImage="x"), "wokerImage"),
        (with_image(timings={"looks": 1}), "timings.looks"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, document: Any, field: str) -> None:
    path = written(tmp_path, document)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: {field}: ")
    assert len(line) > len(f"{path}: {field}: ")


def test_an_error_names_all_invalid_fields(tmp_path: Path) -> None:
    path = written(tmp_path, with_image(workers=0, httpPort=-1))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "httpPort",
        "workers",
    ]


@pytest.mark.parametrize("text", ["", "- a\n", "word", "a: [", "a: b: c", "\t"])
def test_the_error_about_a_file_that_is_not_a_mapping_names_the_file(
    tmp_path: Path, text: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=str(path)):
        load_config(path)


def test_the_error_about_a_file_that_is_not_text_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"workerImage: \xff\xfe")
    with pytest.raises(ConfigError, match=str(path)):
        load_config(path)


def test_a_missing_file_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "none.yaml")
