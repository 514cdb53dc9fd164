"""Models as folders of this machine: the base from wherever it is, M(t) from the store.

A base model is `hf://org/name`, `s3://bucket/prefix`, `file:///folder` or a folder's
absolute path. `mirrors` rewrite its beginning first, so that a run which names the hub
works where there is none. Only configuration, tokenizer and safetensors are ever
fetched: pickled weights would be code. What is downloaded lies in the cache, each file
put there whole; models in a folder store are used where they lie.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import unquote, urlsplit

from isheep.api.order import StageOrder
from isheep.api.store_spec import S3StoreSpec, StoreSpec
from isheep.store import open_store
from isheep.store.artifacts import ArtifactStore
from isheep.store.interface import NoSuchKeyError
from isheep_worker.contract import BadInputError, SourceUnreachableError

_SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
_WEIGHTS = "*.safetensors"


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
        """Return the commit of a base model from the hub; what the order says for others."""
        uri = mirrored(self._sources.model, self._sources.mirrors)
        # The hub's cache names the folder of a snapshot by its commit.
        return self.tokenizer().name if uri.startswith("hf://") else self._sources.model_revision

    def of_stage(self, key: str) -> Path:
        """Return the folder of a committed stage's files, verified."""
        manifest = self._artifacts.manifest(key)
        if manifest is None:
            raise NoSuchKeyError(f"the model {key} is not committed in the run's store")
        paths = [self._artifacts.file_path(key, info.name) for info in manifest.files]
        if all(paths) and paths[0] is not None:
            return paths[0].parent
        folder = self._cache / "models" / key
        for info in manifest.files:
            path = folder / info.name
            if not path.exists():
                self._artifacts.read_file(key, info.name, path)
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
        raise BadInputError(
            f"model.storageUri: {uri!r} is of no kind that this worker reads; "
            "use hf://org/name, s3://bucket/prefix or file:///folder"
        )

    def _from_bucket(self, uri: str, *, weights: bool) -> Path:
        store = open_store(bucket_spec(uri, self._store))
        folder = self._cache / "models" / hashlib.sha256(uri.encode()).hexdigest()
        for info in store.list(""):
            wanted = _is_small(info.key) or (weights and fnmatch(info.key, _WEIGHTS))
            if "/" in info.key or not wanted:
                continue
            path = folder / info.key
            if not path.exists() or path.stat().st_size != info.size:
                store.download(info.key, path)
        return _existing(folder, uri)


def mirrored(uri: str, mirrors: Mapping[str, str]) -> str:
    """Return a URI with its longest mirrored beginning replaced by that mirror's folder."""
    for prefix in sorted(mirrors, key=len, reverse=True):
        if uri == prefix or uri.startswith(prefix.rstrip("/") + "/"):
            return mirrors[prefix] + uri.removeprefix(prefix.rstrip("/"))
    return uri


def bucket_spec(uri: str, like: StoreSpec) -> StoreSpec:
    """Return the store under an `s3://bucket/prefix`, at the same service as the run's own."""
    parts = urlsplit(uri)
    own = like.s3 or S3StoreSpec(bucket=parts.netloc)
    place = own.model_copy(update={"bucket": parts.netloc, "prefix": parts.path.strip("/")})
    return StoreSpec(s3=S3StoreSpec.model_validate(place.model_dump()))


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
            "give a token by model.secretRef (or HF_TOKEN), or mirror it: "
            f"--mirror hf://{name}=FOLDER"
        ) from error
    except RevisionNotFoundError as error:
        raise BadInputError(
            f"model.revision: hf://{name} has no revision {revision!r}; give a commit of it"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SourceUnreachableError(
            f"model.storageUri: hf://{name} could not be fetched from the hub ({error}); try "
            f"again later, or use a local copy: --mirror hf://{name}=FOLDER"
        ) from error


def _is_small(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _SMALL_FILES)
