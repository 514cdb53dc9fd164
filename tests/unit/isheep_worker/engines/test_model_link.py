"""Models of one configuration have one path, so that vLLM compiles them once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from isheep_worker.engines.model_link import linked_model


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def model(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(content)
    return folder


def test_one_model_after_another_has_the_same_path(tmp_path: Path) -> None:
    paths = []
    for name in ("first", "second"):
        with linked_model(model(tmp_path / name, name)) as path:
            assert (path / "config.json").read_text() == name
            paths.append(path)
    assert paths[0] == paths[1]


def test_a_second_engine_does_not_change_the_model_of_the_first_one(tmp_path: Path) -> None:
    one, other = model(tmp_path / "one", "one"), model(tmp_path / "other", "other")
    with linked_model(one) as path:
        with linked_model(other) as own_path:
            assert own_path == other
            assert (path / "config.json").read_text() == "one"
        assert (path / "config.json").read_text() == "one"
    with linked_model(other) as again:
        assert again == path


@pytest.mark.xdist_group("vllm")
def test_vllms_key_is_the_same_for_two_models_of_one_configuration(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from vllm.engine.arg_utils import EngineArgs

    def key(path: Path) -> str:
        arguments = EngineArgs(model=str(path), dtype="float32", max_model_len=64)
        return str(arguments.create_engine_config().compute_hash())

    copy = tmp_path / "copy"
    shutil.copytree(tiny_model_dir, copy)
    with linked_model(tiny_model_dir) as path:
        first = key(path)
    with linked_model(copy) as path:
        assert key(path) == first
    # Without the link, vLLM would compile the copy again.
    assert key(copy) != first
