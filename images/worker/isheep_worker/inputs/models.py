"""Models as folders of this machine: the base from wherever it is, M(t) from the store.

A base model is `hf://org/name`, `s3://bucket/prefix`, `pvc://claim/path`,
`file:///folder` or a folder's absolute path. `mirrors` rewrite its beginning first, so
that a run which names the hub works where there is none, and one that names a claim
finds it where the driver has mounted it. Only configuration, tokenizer and safetensors
are ever fetched: pickled weights would be code. What is downloaded lies in the cache;
models in a folder store are used where they lie.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
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
from isheep_worker.runtime.orders import BadInputError, SourceUnreachableError

_SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
_WEIGHTS = "*.safetensors"
FOLDERS = "hf://org/name, s3://bucket/prefix, pvc://claim/path (in a cluster) or file:///folder"
MIRROR_ADVICE = "--mirror of isheep run, modelMirrors of the chart"


@dataclass(frozen=True, slots=True)
class Weights:
    """What is loaded to have a model: full weights, and the adapter beside them if any.

    `name` names what is in `folder`: a digest or a stage's key.
    """

    name: str
    folder: Path
    adapter: Adapter | None = None


class ModelFolders:
    """The models that an order may need, as local folders that nobody may write to."""

    def __init__(self, order: StageOrder, artifacts: ArtifactStore, cache: Path) -> None:
        self._sources = order.sources
        self._store = order.store
        self._artifacts = artifacts
        self._cache = cache

    def base(self) -> Path:
        """Return the base model's folder; raises `BadInputError`, `SourceUnreachableError`."""
        return self._base(weights=True)

    def tokenizer(self) -> Path:
        """Return a folder with at least the base model's configuration and tokenizer."""
        return self._base(weights=False)

    def revision(self) -> str | None:
        """Return the commit of a base model from the hub; what the order says for others.

        A mirror elsewhere is a copy: it has no commits, and is of the revision asked for.
        """
        uri = mirrored(self._sources.model, self._sources.mirrors)
        # The hub's cache names the folder of a snapshot by its commit.
        return self.tokenizer().name if uri.startswith("hf://") else self._sources.model_revision

    def weights(self, settings: ModelSettings, stages: Sequence[str]) -> Weights:
        """Return the model of a step; `stages` are the keys in its input role `model`.

        That is M(0) where there are none; else the merged weights that the stage left, or
        M(0) with the adapter that it left. Raises as `base` does.
        """
        if not stages:
            return Weights(settings.base_model, self.base())
        folder = self.of_stage(stages[0])
        if settings.handover != "Adapter":
            return Weights(stages[0], folder)
        return Weights(settings.base_model, self.base(), read_adapter(stages[0], folder))

    def of_stage(self, key: str) -> Path:
        """Return the folder of a committed stage's files, verified."""
        manifest = self._artifacts.manifest(key)
        if manifest is None:
            raise NoSuchKeyError(f"the model {key} is not committed in the run's store")
        paths = [self._artifacts.file_path(key, info.name) for info in manifest.files]
        if all(paths) and paths[0] is not None:
            return paths[0].parent
        folder = self._cache / "models" / _contents(manifest.files)
        for info in manifest.files:
            fetch = partial(self._artifacts.read_file, key, info.name)
            model_cache.keep(folder / info.name, info.bytes, fetch)
        return folder

    def _base(self, *, weights: bool) -> Path:
        uri = mirrored(self._sources.model, self._sources.mirrors)
        if uri.startswith("/"):
            return _existing(Path(uri), self._sources.model)
        scheme, _, rest = uri.partition("://")
        if scheme == "file":
            return _existing(Path(unquote(urlsplit(uri).path)), uri)
        if scheme == "hf":
            return _from_hub(rest, self._sources.model_revision, weights=weights)
        if scheme == "s3":
            return self._from_bucket(uri, weights=weights)
        raise BadInputError(f"model.storageUri: {unreadable(uri, FOLDERS)}")

    def _from_bucket(self, uri: str, *, weights: bool) -> Path:
        spec = bucket_spec(uri, self._store, "model.storageUri")
        store = open_store(spec)
        files = [info for info in store.list("") if _is_small(info.key) or _is_weights(info.key)]
        if not files:
            raise BadInputError(
                f"model.storageUri: there is no model at {uri}; give the prefix under which "
                "config.json, tokenizer.json and the safetensors weights lie"
            )
        folder = self._cache / "models" / _version(spec, files)
        for info in files:
            if weights or _is_small(info.key):
                fetch = partial(store.download, info.key)
                model_cache.keep(folder / info.key, info.size, fetch)
        return folder


def bucket_spec(uri: str, like: StoreSpec, field: str) -> StoreSpec:
    """Return the store under an `s3://bucket/prefix`, at the same service as the run's own.

    Raises `BadInputError` that names the spec's field.
    """
    parts = urlsplit(uri)
    place = {} if like.s3 is None else like.s3.model_dump()
    place |= {"bucket": parts.netloc, "prefix": parts.path.strip("/")}
    try:
        return StoreSpec(s3=S3StoreSpec.model_validate(place))
    except ValidationError as error:
        raise BadInputError(
            f"{field}: {uri} names no bucket and prefix that isheep reads; use letters, digits, "
            "'-', '_' and '.' between the slashes"
        ) from error


def unreadable(uri: str, kinds: str) -> str:
    """Return why a URI cannot be read here, and what to do; `kinds` are those that can."""
    if uri.startswith("pvc://"):
        claim = "/".join(uri.split("/")[:3])
        return (
            f"{uri}: the claim is not mounted here; outside a cluster say where a copy of it is, "
            f"by a mirror of {claim} ({MIRROR_ADVICE})"
        )
    return f"{uri!r} is of no kind that this worker reads; use {kinds}"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where downloads are kept: `$XDG_CACHE_HOME/isheep`, else `~/.cache/isheep`."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "isheep"


def _existing(folder: Path, uri: str) -> Path:
    if not folder.is_dir():
        raise BadInputError(
            f"model.storageUri: {uri} leads to {folder}, which is no folder; give the folder "
            "that holds config.json, tokenizer.json and the safetensors weights"
        )
    return folder


def _from_hub(name: str, revision: str | None, *, weights: bool) -> Path:
    """Return the hub's own cache folder of a model."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 (slow to import)
    from huggingface_hub.errors import (  # noqa: PLC0415
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=[*_SMALL_FILES, *([_WEIGHTS] if weights else [])],
                ignore_patterns=["*/*"],
            )
        )
    except GatedRepoError as error:
        raise BadInputError(
            f"model.storageUri: hf://{name} is only given to those who accepted its terms; accept "
            "them on the hub and give a token by model.secretRef (or HF_TOKEN)"
        ) from error
    except RepositoryNotFoundError as error:
        raise BadInputError(
            f"model.storageUri: hf://{name} is not on the hub, or is private; correct the name, "
            "give a token by model.secretRef (or HF_TOKEN), or name a mirror of it: "
            f"{MIRROR_ADVICE}"
        ) from error
    except RevisionNotFoundError as error:
        raise BadInputError(
            f"model.revision: hf://{name} has no revision {revision!r}; give a commit of it"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SourceUnreachableError(
            f"model.storageUri: hf://{name} could not be fetched from the hub ({error}); try "
            f"again later, or name a copy: {MIRROR_ADVICE}"
        ) from error


def _is_small(key: str) -> bool:
    return "/" not in key and any(fnmatch(key, pattern) for pattern in _SMALL_FILES)


def _is_weights(key: str) -> bool:
    return "/" not in key and fnmatch(key, _WEIGHTS)


def _contents(files: Sequence[FileInfo]) -> str:
    """Return the name of the cache's folder for files of a stage.

    Not the stage's key: another store may hold other weights of the same size under it.
    """
    listing = [[info.name, info.sha256] for info in files]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def _version(spec: StoreSpec, files: Sequence[ObjectInfo]) -> str:
    """Return the name of the cache's folder for a model as it lies in a bucket now.

    Weights of a model that was trained anew have the old size. In a folder of its own
    what was replaced in the bucket cannot be mixed with what was cached before.
    """
    listing = [[info.key, info.size, info.modified] for info in files]
    return hashlib.sha256(json.dumps([spec.model_dump(), listing]).encode()).hexdigest()
