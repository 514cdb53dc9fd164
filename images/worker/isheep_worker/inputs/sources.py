"""Readers of the small files that a run names: seed tasks, templates and benchmark texts.

Only prepare reads these files, once, and copies them into the store (`stored_inputs.py`). Messages
name the field of the spec, because the user can change that field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from isheep.contract.choices import BUILTIN_SEED_TASKS
from isheep.contract.mirrors import mirrored
from isheep.contract.store_spec import StoreSpec
from isheep.store import open_store
from isheep.store.interface import NoSuchKeyError, check_key
from isheep_worker.inputs.models import bucket_spec, unreadable
from isheep_worker.inputs.seed_tasks import DEFAULT_SOURCE, default_seed_bytes
from isheep_worker.runtime.errors import BadInputError

BUILTIN = "builtin:"
TEMPLATE_SUFFIX = ".jinja"
MAX_UNPACKED_BYTES = 1 << 30
"""The largest unpacked size of a seed file or a benchmark; prepare holds them in memory."""
FILES = "s3://bucket/key, pvc://claim/path (in a cluster) or file:///path"


@dataclass(frozen=True, slots=True)
class Text:
    """The bytes of a source, and its name in messages."""

    content: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Files:
    """One file by its name, or the files of a folder by their paths in it, and a name for both."""

    name: str
    files: Mapping[str, bytes]
    is_folder: bool


class SourceReader:
    """Reads sources; `store` gives the service of `s3://` URIs."""

    def __init__(self, store: StoreSpec, mirrors: Mapping[str, str]) -> None:
        self._store = store
        self._mirrors = mirrors

    def seed_tasks(self, uri: str) -> Text:
        """Return the seed file; raises `BadInputError` if it does not exist."""
        if uri == f"{BUILTIN}{BUILTIN_SEED_TASKS}":
            return Text(default_seed_bytes(), DEFAULT_SOURCE)
        if uri.startswith(BUILTIN):
            raise BadInputError(
                f"seedTasks.builtin: this worker has no seed tasks named "
                f"{uri.removeprefix(BUILTIN)!r}, only {BUILTIN_SEED_TASKS}"
            )
        return self.read(uri, "seedTasks.storageUri")

    def read(self, uri: str, field: str) -> Text:
        """Return the bytes of a file; `field` is the field of the spec that names the file."""
        place = mirrored(uri, self._mirrors)
        if place.startswith("/"):
            return _read_file(Path(place), field)
        scheme = place.partition("://")[0]
        if scheme == "file":
            return _read_file(Path(unquote(urlsplit(place).path)), field)
        if scheme == "s3":
            return self._read_object(place, field)
        raise BadInputError(f"{field}: {unreadable(place, FILES)}")

    def read_files(self, uri: str, field: str) -> Files:
        """Return the bytes of a file, or of all files in a folder except hidden ones."""
        place = mirrored(uri, self._mirrors)
        scheme = place.partition("://")[0]
        found: dict[str, bytes] = {}
        if place.startswith("/") or scheme == "file":
            folder = Path(place if place.startswith("/") else unquote(urlsplit(place).path))
            if folder.is_dir():
                found = _read_folder(folder, field)
        elif scheme == "s3":
            store = open_store(bucket_spec(place, self._store, field))
            infos = [info for info in store.list("") if not _is_hidden(info.key)]
            _check_size(sum(info.size for info in infos), uri, field)
            found = {info.key: store.get(info.key) for info in infos}
        if found:
            return Files(uri, found, is_folder=True)
        text = self.read(uri, field)
        return Files(text.name, {PurePosixPath(text.name).name: text.content}, is_folder=False)

    def _read_object(self, uri: str, field: str) -> Text:
        folder, _, name = uri.rpartition("/")
        spec = bucket_spec(folder, self._store, field)
        try:
            key, store = check_key(name), open_store(spec)
        except ValueError as error:
            raise BadInputError(f"{field}: {uri}: {error}; rename the file") from error
        try:
            info = store.head(key)
            _check_size(0 if info is None else info.size, uri, field)
            return Text(store.get(key), uri)
        except NoSuchKeyError as error:
            raise BadInputError(
                f"{field}: {uri} does not exist; correct the URI or upload the file"
            ) from error


def read_templates(folder: str | None) -> dict[str, str]:
    """Return the texts that replace built-in templates, by template name.

    Each key of a ConfigMap is a file in its folder. The suffix `.jinja` is optional.

    Raises `BadInputError` if the folder does not exist or if a file is not UTF-8.
    """
    if folder is None:
        return {}
    path = Path(folder)
    if not path.is_dir():
        raise BadInputError(f"promptsRef: {folder} is not a folder; set a folder with templates")
    texts = {}
    # Kubernetes mounts the versions of a ConfigMap in hidden folders.
    for file in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
        try:
            texts[file.name.removesuffix(TEMPLATE_SUFFIX)] = file.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"promptsRef: {file} is not UTF-8 (byte {error.start + 1}); save it as UTF-8"
            ) from error
    return texts


def _read_folder(folder: Path, field: str) -> dict[str, bytes]:
    paths = {
        name: path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_hidden(name := path.relative_to(folder).as_posix())
    }
    if not paths:
        raise BadInputError(f"{field}: {folder} has no files; set a folder with data files")
    _check_size(sum(path.stat().st_size for path in paths.values()), str(folder), field)
    return {name: _read_file(path, field).content for name, path in paths.items()}


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _check_size(size: int, name: str, field: str) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise BadInputError(
            f"{field}: {name} has more than {MAX_UNPACKED_BYTES >> 20} MiB; set smaller data"
        )


def _read_file(path: Path, field: str) -> Text:
    try:
        _check_size(path.stat().st_size, str(path), field)
        return Text(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise BadInputError(f"{field}: {path} does not exist; correct the path") from error
    except (IsADirectoryError, PermissionError) as error:
        raise BadInputError(
            f"{field}: {path} cannot be read ({error.strerror}); set a file that this user can read"
        ) from error
