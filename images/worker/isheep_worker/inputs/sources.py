"""Reading the small files that a run names: seed tasks, templates, benchmark texts.

Only prepare reads them, once; what it read goes into the store by digest (`inputs.py`).
Messages name the field of the spec, because that is what the reader can change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from isheep.contract.mirrors import mirrored
from isheep.contract.store_spec import StoreSpec
from isheep.store import open_store
from isheep.store.interface import NoSuchKeyError, check_key
from isheep_worker.inputs.models import bucket_spec, unreadable
from isheep_worker.inputs.seed_tasks import DEFAULT_SOURCE, default_seed_bytes
from isheep_worker.runtime.orders import BadInputError

BUILTIN = "builtin:"
TEMPLATE_SUFFIX = ".jinja"
FILES = "s3://bucket/key, pvc://claim/path (in a cluster) or file:///path"


@dataclass(frozen=True, slots=True)
class Text:
    """A source's bytes, and what messages about them call it."""

    content: bytes
    name: str


class SourceReader:
    """Reads sources; `store` says at which service `s3://` URIs are."""

    def __init__(self, store: StoreSpec, mirrors: Mapping[str, str]) -> None:
        self._store = store
        self._mirrors = mirrors

    def seed_tasks(self, uri: str) -> Text:
        """Return the seed file; raises `BadInputError` where there is none."""
        if uri == f"{BUILTIN}Default":
            return Text(default_seed_bytes(), DEFAULT_SOURCE)
        if uri.startswith(BUILTIN):
            raise BadInputError(
                f"seedTasks.builtin: this worker has no seed tasks named "
                f"{uri.removeprefix(BUILTIN)!r}, only Default"
            )
        return self.read(uri, "seedTasks.storageUri")

    def read(self, uri: str, field: str) -> Text:
        """Return a file's bytes; `field` is where the spec names it."""
        place = mirrored(uri, self._mirrors)
        if place.startswith("/"):
            return _read_file(Path(place), field)
        scheme = place.partition("://")[0]
        if scheme == "file":
            return _read_file(Path(unquote(urlsplit(place).path)), field)
        if scheme == "s3":
            return self._read_object(place, field)
        raise BadInputError(f"{field}: {unreadable(place, FILES)}")

    def _read_object(self, uri: str, field: str) -> Text:
        folder, _, name = uri.rpartition("/")
        spec = bucket_spec(folder, self._store, field)
        try:
            return Text(open_store(spec).get(check_key(name)), uri)
        except ValueError as error:
            raise BadInputError(f"{field}: {uri}: {error}; give that file a plain name") from error
        except NoSuchKeyError as error:
            raise BadInputError(
                f"{field}: {uri} does not exist; correct it or put it there"
            ) from error


def read_templates(folder: str | None) -> dict[str, str]:
    """Return the texts that replace built-in templates, by template name.

    In the folder of a ConfigMap each key is a file; `.jinja` at its end is optional.
    """
    if folder is None:
        return {}
    path = Path(folder)
    if not path.is_dir():
        raise BadInputError(f"promptsRef: {folder} is no folder with templates")
    texts = {}
    # Kubernetes keeps the versions of a mounted ConfigMap in hidden folders.
    for file in sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")):
        try:
            texts[file.name.removesuffix(TEMPLATE_SUFFIX)] = file.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"promptsRef: {file} is not UTF-8 (byte {error.start + 1}); save it as UTF-8"
            ) from error
    return texts


def _read_file(path: Path, field: str) -> Text:
    try:
        return Text(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise BadInputError(f"{field}: {path} does not exist; correct the path") from error
    except (IsADirectoryError, PermissionError) as error:
        raise BadInputError(
            f"{field}: {path} cannot be read ({error.strerror}); give a file that this user can"
        ) from error
