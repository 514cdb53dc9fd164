"""Models as folders of this machine: the base model from its URI, and M(t) from the store.

The URI of a base model is `hf://org/name`, `s3://bucket/prefix`, `pvc://claim/path`,
`file:///folder` or the absolute path of a folder. First, `mirrors` replace the beginning of the
URI. A run that names the hub therefore works without access to the hub, and a run that names a
claim finds the folder in which the driver has mounted the claim. The worker downloads only
configuration, tokenizer and safetensors, because pickled weights can contain code. Downloads go to
the cache. A model in a folder store is used in place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from isheep.contract.mirrors import mirrored
from isheep.contract.order import StageOrder
from isheep.contract.store_spec import S3StoreSpec, StoreSpec
from isheep.recipes.settings import ModelSettings
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep.store.interface import NoSuchKeyError, ObjectInfo
from isheep.store.manifest import FileInfo
from isheep_worker.engines.adapter import Adapter, read_adapter
from isheep_worker.inputs import model_cache
from isheep_worker.inputs.hub_errors import MIRROR_ADVICE, hub_error
from isheep_worker.runtime.errors import BadInputError

_SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
_WEIGHTS = "*.safetensors"
FOLDERS = "hf://org/name, s3://bucket/prefix, pvc://claim/path (in a cluster) or file:///folder"


@dataclass(frozen=True, slots=True)
class Weights:
    """The files that an engine loads: full weights, and an adapter if there is one.

    `name` is the digest of the base model, or the key of the stage that wrote `folder`.
    """

    name: str
    folder: Path
    adapter: Adapter | None = None


ModelOf = Literal["Judge"] | None
"""Whose model: None is M(0)."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The location of a model that a field of the spec names."""

    uri: str
    revision: str | None
    field: str


class ModelFolders:
    """The models that an order may need, as local folders that must not be changed."""

    def __init__(self, order: StageOrder, artifacts: ArtifactStore, cache: Path) -> None:
        sources = order.sources
        self._mirrors = sources.mirrors
        self._places: dict[ModelOf, _Place] = {
            None: _Place(sources.model, sources.model_revision, "model"),
            "Judge": _Place(sources.judge or "", sources.judge_revision, "judge.model"),
        }
        self._store = order.store
        self._artifacts = artifacts
        self._cache = cache

    def base(self, of: ModelOf = None) -> Path:
        """Return the folder of M(0) or of the judge.

        Raises `BadInputError`, `SourceUnreachableError`.
        """
        return self._base(self._places[of], weights=True)

    def tokenizer(self, of: ModelOf = None) -> Path:
        """Return a folder with at least the configuration and tokenizer of M(0) or the judge."""
        return self._base(self._places[of], weights=False)

    def revision(self, of: ModelOf = None) -> str | None:
        """Return the commit of a model from the hub, or the order's revision otherwise.

        A mirror outside of the hub is a copy without commits. It has the revision that the order
        names.
        """
        place = self._places[of]
        uri = mirrored(place.uri, self._mirrors)
        # The hub's cache names the folder of a snapshot by its commit.
        return self.tokenizer(of).name if uri.startswith("hf://") else place.revision

    def weights(self, settings: ModelSettings, stages: Sequence[str]) -> Weights:
        """Return the model of a step; `stages` are the keys in its input role `model`.

        Without such a key the model is M(0), or the judge. Otherwise it is the merged weights of
        the stage, or M(0) with the adapter of the stage. Raises the errors of `base`.
        """
        if not stages:
            return Weights(settings.base_model, self.base(settings.of))
        folder = self.of_stage(stages[0])
        if settings.handover != "Adapter":
            return Weights(stages[0], folder)
        return Weights(settings.base_model, self.base(), read_adapter(stages[0], folder))

    def of_stage(self, key: str) -> Path:
        """Return a folder with the verified files of a committed stage."""
        manifest = self._artifacts.manifest(key)
        if manifest is None:
            raise NoSuchKeyError(f"the run's store has no committed model {key}")
        paths = [self._artifacts.file_path(key, info.name) for info in manifest.files]
        if all(paths) and paths[0] is not None:
            return paths[0].parent
        folder = self._cache / "models" / _contents(manifest.files)
        for info in manifest.files:
            fetch = partial(self._artifacts.read_file, key, info.name)
            model_cache.keep(folder / info.name, info.bytes, fetch)
        return folder

    def _base(self, place: _Place, *, weights: bool) -> Path:
        uri = mirrored(place.uri, self._mirrors)
        if uri.startswith("/"):
            return _existing(Path(uri), place.uri, place.field)
        scheme, _, rest = uri.partition("://")
        if scheme == "file":
            return _existing(Path(unquote(urlsplit(uri).path)), uri, place.field)
        if scheme == "hf":
            return _from_hub(rest, place.revision, weights=weights, field=place.field)
        if scheme == "s3":
            return self._from_bucket(uri, f"{place.field}.storageUri", weights=weights)
        raise BadInputError(f"{place.field}.storageUri: {unreadable(uri, FOLDERS)}")

    def _from_bucket(self, uri: str, field: str, *, weights: bool) -> Path:
        spec = bucket_spec(uri, self._store, field)
        store = open_store(spec)
        files = [info for info in store.list("") if _is_small(info.key) or _is_weights(info.key)]
        if not files:
            raise BadInputError(
                f"{field}: there is no model at {uri}; set the prefix of config.json, "
                "tokenizer.json and the safetensors weights"
            )
        folder = self._cache / "models" / _version(spec, files)
        for info in files:
            if weights or _is_small(info.key):
                fetch = partial(store.download, info.key)
                model_cache.keep(folder / info.key, info.size, fetch)
        return folder


def bucket_spec(uri: str, like: StoreSpec, field: str) -> StoreSpec:
    """Return the store of an `s3://bucket/prefix`, at the same service as the store `like`.

    Raises `BadInputError`, which names the `field` of the spec, if the URI is invalid.
    """
    parts = urlsplit(uri)
    place = {} if like.s3 is None else like.s3.model_dump()
    place |= {"bucket": parts.netloc, "prefix": parts.path.strip("/")}
    try:
        return StoreSpec(s3=S3StoreSpec.model_validate(place))
    except ValidationError as error:
        raise BadInputError(
            f"{field}: {uri} is not a bucket and a prefix that isheep can read; use letters, "
            "digits, '-', '_' and '.' between the slashes"
        ) from error


def unreadable(uri: str, kinds: str) -> str:
    """Return why this worker cannot read a URI, and the remedy; `kinds` lists valid URIs."""
    if uri.startswith("pvc://"):
        claim = "/".join(uri.split("/")[:3])
        return (
            f"{uri}: the claim is not mounted here; outside of a cluster, name a copy of it by a "
            f"mirror of {claim} ({MIRROR_ADVICE})"
        )
    return f"this worker cannot read {uri!r}; use {kinds}"


def _existing(folder: Path, uri: str, field: str) -> Path:
    if not folder.is_dir():
        raise BadInputError(
            f"{field}.storageUri: {uri} resolves to {folder}, which is not a folder; set the "
            "folder that contains config.json, tokenizer.json and the safetensors weights"
        )
    return folder


def _from_hub(name: str, revision: str | None, *, weights: bool, field: str) -> Path:
    """Return the folder of a model in the hub's cache."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 (slow to import)
    from huggingface_hub.errors import HfHubHTTPError, XetDownloadError  # noqa: PLC0415

    # The first base is the error of the HTTP library, which also is the base of its errors about
    # connections and proxies. The library raises a ValueError for an answer that is no JSON.
    no_answer = HfHubHTTPError.__bases__[0]
    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=[*_SMALL_FILES, *([_WEIGHTS] if weights else [])],
                ignore_patterns=["*/*"],
            )
        )
    except (no_answer, XetDownloadError, OSError, ValueError) as error:
        found = hub_error(error, name=name, revision=revision, field=field)
        if found is None:
            raise
        raise found from error


def _is_small(key: str) -> bool:
    return "/" not in key and any(fnmatch(key, pattern) for pattern in _SMALL_FILES)


def _is_weights(key: str) -> bool:
    return "/" not in key and fnmatch(key, _WEIGHTS)


def _contents(files: Sequence[FileInfo]) -> str:
    """Return the name of the cache folder for files of a stage.

    The name is not the stage's key, because another store may contain other weights of the same
    size under the same key.
    """
    listing = [[info.name, info.sha256] for info in files]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def _version(spec: StoreSpec, files: Sequence[ObjectInfo]) -> str:
    """Return the name of the cache folder for the current files of a model in a bucket.

    If the model is trained again, its new weights have the old size. The separate folder for each
    version prevents that new files from the bucket are mixed with old files from the cache.
    """
    listing = [[info.key, info.size, info.modified] for info in files]
    return hashlib.sha256(json.dumps([spec.model_dump(), listing]).encode()).hexdigest()
