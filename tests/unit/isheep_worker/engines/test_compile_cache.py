"""Compiled code is found again by later engines, is written by one, and is never another user's."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from isheep_worker.engines import compile_cache as module
from isheep_worker.engines.compile_cache import (
    compile_cache,
    compile_facts,
    digest,
    locked,
    remove_unused,
    trusted_folder,
)

SHARED = ("TRITON_CACHE_DIR", "FLASHINFER_WORKSPACE_BASE", "TORCHINDUCTOR_CACHE_DIR")
VARIABLES = ("VLLM_CACHE_ROOT", *SHARED)
ENGINE: dict[str, object] = {"model": "/models/one", "max_num_seqs": 8}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without these variables, which is restored after the test."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(module, "_OWN", {})


def start(cache: Path, engine: dict[str, object] = ENGINE, device: str = "H200") -> dict[str, Path]:
    """Return the folders that an engine gets at its start."""
    with compile_cache(cache, device, engine):
        found = {name: Path(os.environ[name]) for name in VARIABLES}
        found["VLLM_CACHE_ROOT"].mkdir(exist_ok=True)
        (found["VLLM_CACHE_ROOT"] / "compiled").touch()
    return found


def test_all_folders_are_in_the_cache_and_a_later_engine_gets_the_same_ones(tmp_path: Path) -> None:
    first = start(tmp_path)
    assert all(tmp_path / "compiled" in folder.parents for folder in first.values())
    assert len(set(first.values())) == len(VARIABLES)
    assert start(tmp_path) == first
    assert (first["VLLM_CACHE_ROOT"] / "compiled").exists()


def test_another_engine_shares_all_folders_but_vllms(tmp_path: Path) -> None:
    one, other = start(tmp_path), start(tmp_path, {**ENGINE, "max_num_seqs": 4})
    assert {name for name in VARIABLES if one[name] != other[name]} == {"VLLM_CACHE_ROOT"}
    # What vLLM knows about classes of models does not depend on the engine.
    (one["VLLM_CACHE_ROOT"] / "modelinfos" / "Llama.json").touch()
    assert (other["VLLM_CACHE_ROOT"] / "modelinfos" / "Llama.json").exists()


def test_code_for_another_device_processor_or_version_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [start(tmp_path), start(tmp_path, device="A100")]
    monkeypatch.setattr(module, "_processor", lambda: "flags: avx2 avx512f")
    found.append(start(tmp_path))
    monkeypatch.setattr(module, "version", lambda package: "1.2.3")
    found.append(start(tmp_path))
    for name in VARIABLES:
        assert len({folders[name] for folders in found}) == 4, name


@pytest.mark.parametrize("name", VARIABLES)
def test_a_users_own_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "mine"))
    for engine in (ENGINE, {**ENGINE, "dtype": "float16"}):
        found = start(tmp_path, engine)
        assert found[name] == tmp_path / "mine"
        assert all(tmp_path / "compiled" in found[n].parents for n in VARIABLES if n != name)


def test_the_default_that_pytorch_sets_at_its_import_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = Path(tempfile.gettempdir()) / "torchinductor_me"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(default))
    assert tmp_path / "compiled" in start(tmp_path)["TORCHINDUCTOR_CACHE_DIR"].parents


def test_an_engine_that_fails_leaves_nothing_to_find(tmp_path: Path) -> None:
    half = Path()

    def fail() -> None:
        nonlocal half
        with compile_cache(tmp_path, "H200", ENGINE):
            half = Path(os.environ["VLLM_CACHE_ROOT"]) / "half"
            half.touch()
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert start(tmp_path)["VLLM_CACHE_ROOT"] == half.parent
    assert not half.exists()


def _start_in(cache: Path, inside: Any, leave: Any) -> None:
    with compile_cache(cache, "H200", ENGINE):
        inside.send(os.environ["VLLM_CACHE_ROOT"])
        leave.recv()


def test_an_engine_does_not_write_where_another_one_starts(tmp_path: Path) -> None:
    """The other engine is in another process, as in another pod."""
    context = multiprocessing.get_context("spawn")
    (inside, report), (leave, allow) = context.Pipe(False), context.Pipe(False)
    other = context.Process(target=_start_in, args=(tmp_path, report, leave))
    other.start()
    shared = Path(inside.recv())
    own = start(tmp_path)["VLLM_CACHE_ROOT"]
    assert own != shared
    assert tmp_path not in own.parents
    allow.send(None)
    other.join()
    assert start(tmp_path)["VLLM_CACHE_ROOT"] == shared


def test_without_locks_nothing_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with locked(tmp_path / "lock") as alone:
        assert not alone
    assert not any(tmp_path in folder.parents for folder in start(tmp_path).values())


def test_a_folder_that_others_can_write_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trusted = trusted_folder(tmp_path / "compiled" / "one")
    assert trusted == tmp_path / "compiled" / "one"
    assert trusted.stat().st_mode & 0o777 == 0o700
    (tmp_path / "compiled").chmod(0o777)
    assert trusted_folder(trusted) is None
    found = start(tmp_path)
    assert not any(tmp_path in folder.parents for folder in found.values())
    assert "compiled code is not kept" in caplog.text


def test_a_folder_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "compiled" / "one"
    assert trusted_folder(folder) == folder
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert trusted_folder(folder) is None


def test_a_link_and_a_file_are_no_folders_for_code(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    assert trusted_folder(tmp_path / "link") is None
    assert trusted_folder(tmp_path / "file") is None


def test_the_facts_contain_what_vllm_compiles_for_and_not_where_it_writes() -> None:
    environment = {"VLLM_USE_X": "1", "HOME": "/scratch", "VLLM_CACHE_ROOT": "/cache/one"}
    facts = compile_facts(ENGINE, "{}", environment)
    # The size of the KV cache follows the free memory of the moment.
    moved = compile_facts(
        {**ENGINE, "kv_cache_memory_bytes": 2**20},
        "{}",
        {**environment, "VLLM_CACHE_ROOT": "/two", "HOME": "/"},
    )
    assert digest(moved) == digest(facts)
    others = [
        compile_facts({**ENGINE, "dtype": "float16"}, "{}", environment),
        compile_facts(ENGINE, '{"hidden_size": 1}', environment),
        compile_facts(ENGINE, "{}", {**environment, "VLLM_USE_X": "0"}),
    ]
    assert len({digest(facts), *map(digest, others)}) == 4


def age(folder: Path, days: float) -> None:
    """Set the last use of a folder to some days ago."""
    lock = folder.parent / f".{folder.name}.lock"
    then = lock.stat().st_mtime - days * 86_400
    os.utime(lock, (then, then))


@pytest.fixture
def two_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_ENGINES", 2)
    monkeypatch.setattr(module, "KEPT_PLATFORMS", 2)


@pytest.mark.usefixtures("two_kept")
def test_the_folders_that_were_not_used_for_long_are_removed(tmp_path: Path) -> None:
    vllm = [
        start(tmp_path, {**ENGINE, "max_num_seqs": number})["VLLM_CACHE_ROOT"]
        for number in range(5)
    ]
    for folder, days in zip(vllm, (4, 5, 0.9, 3, 6), strict=True):
        age(folder, days)
    # A start of an old engine is a use.
    assert start(tmp_path, {**ENGINE, "max_num_seqs": 4})["VLLM_CACHE_ROOT"] == vllm[4]
    assert [folder.exists() for folder in vllm] == [False, False, True, False, True]
    assert not list(vllm[4].parent.glob(".removed-*"))
    # The engine compiles again, and the code of the others is still complete.
    assert start(tmp_path, {**ENGINE, "max_num_seqs": 0})["VLLM_CACHE_ROOT"] == vllm[0]
    assert (vllm[0] / "compiled").exists()
    assert (vllm[2] / "complete").exists()


@pytest.mark.usefixtures("two_kept")
def test_the_folders_of_old_platforms_are_removed(tmp_path: Path) -> None:
    roots = [start(tmp_path, device=f"GPU {n}")["TRITON_CACHE_DIR"].parent for n in range(4)]
    for root, days in zip(roots, (3, 0.5, 2, 4), strict=True):
        age(root, days)
    start(tmp_path, device="GPU 1")
    assert [root.exists() for root in roots] == [False, True, True, False]


@pytest.mark.usefixtures("two_kept")
def test_a_folder_that_an_engine_starts_in_is_not_removed(tmp_path: Path) -> None:
    start(tmp_path)
    context = multiprocessing.get_context("spawn")
    (inside, report), (leave, allow) = context.Pipe(False), context.Pipe(False)
    other = context.Process(target=_start_in, args=(tmp_path, report, leave))
    other.start()
    used = Path(inside.recv())
    # However old its last use seems to be, for example after a suspended start.
    age(used, 9)
    age(used.parent, 9)
    for number in (1, 2, 3):
        start(tmp_path, {**ENGINE, "max_num_seqs": number})
        start(tmp_path, device=f"GPU {number}")
    assert (used / "complete").exists()
    allow.send(None)
    other.join()
    remove_unused(used.parent, "vllm-*", 1)
    assert not used.exists()
