"""The model that `isheep evaluate MODEL` evaluates: the run of the command, made from its options.

The run has the internal recipe EvaluateOnly. Its name is made from the model and a digest of all
that the options name, so the same command finds the same run again and resumes it. A local folder
or file is named with the sizes and times of its files: if it changes, the next command is a new
run. The run has no file, and the documents in the store are those of any other run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isheep.api.evaluate_only import EVALUATE_ONLY
from isheep.api.reading.loader import load_bytes
from isheep.api.reading.set_values import SetValue
from isheep.api.run import GROUP, KIND, VERSION, SelfAlignmentRunSpec
from isheep.cli.evaluation.added_benchmark import AddedBenchmark
from isheep.contract.choices import EngineType
from isheep.contract.mirrors import mirrored

SOURCE = "isheep evaluate"
"""The name of the options in messages about the spec."""
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")
_MODEL_CHARACTERS = 24
_DIGEST_CHARACTERS = 8
_FILE = "file://"
_CONFIGURATION = "config.json"
_SMALLEST_TRAINING = {"maxLength": 32}
"""Nothing is trained. A length above that of the model would be refused."""


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """The run of the command: its name, the spec that is stored, and the spec as an object."""

    name: str
    document: dict[str, Any]
    spec: SelfAlignmentRunSpec


def is_model(argument: str) -> bool:
    """Return whether the argument of the command is a model; otherwise it is a run.

    A folder that has the name of a run is a model only if it has the configuration of one.
    """
    path = Path(argument).expanduser()
    is_folder = path.is_dir() and ("/" in argument or (path / _CONFIGURATION).is_file())
    return "://" in argument or is_folder


def model_uri(argument: str) -> str:
    """Return the URI of a model, whose argument may be a folder."""
    return argument if "://" in argument else f"{_FILE}{Path(argument).expanduser().absolute()}"


def evaluated_model(
    uri: str,
    revision: str | None,
    benchmarks: Sequence[AddedBenchmark],
    *,
    engine: EngineType,
    set_values: Sequence[SetValue],
    mirrors: Mapping[str, str],
) -> EvaluatedModel:
    """Return the run that evaluates a model.

    Args:
        uri: The URI of the model.
        revision: The revision of a model of the hub, None for the newest one.
        benchmarks: The benchmarks of the command.
        engine: The engine, unless a set value names another one.
        set_values: Changes of the spec, such as `spec.evaluation.allowCodeExecution=true`.
        mirrors: The folder of each mirrored URI.

    Raises:
        SpecError: An option has a value that the API does not allow.
        SetValueError: A set value cannot be used.
    """
    model = {"storageUri": uri, **({} if revision is None else {"revision": revision})}
    spec = {
        # A recipe of the API, so that the spec can be checked as that of a file.
        "recipe": "ISheep",
        "iterations": 1,
        "model": model,
        "engine": {"type": engine},
        "training": _SMALLEST_TRAINING,
        "evaluation": {"benchmarks": [one.fields() for one in benchmarks]},
    }
    run = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": "evaluate"},
        "spec": spec,
    }
    loaded = load_bytes(json.dumps(run).encode(), SOURCE, set_values)
    document = {**loaded.document["spec"], "recipe": EVALUATE_ONLY.name}
    return EvaluatedModel(_name(uri, document, mirrors), document, loaded.run.spec)


def _name(uri: str, document: Mapping[str, Any], mirrors: Mapping[str, str]) -> str:
    """Return the name of the run: `eval-smollm2-135m-1f0c2a3b`."""
    benchmarks = document["evaluation"]["benchmarks"]
    uris = [uri, *(one["storageUri"] for one in benchmarks if "storageUri" in one)]
    read = {one: folder for one in uris if (folder := _folder(one, mirrors)) is not None}
    state = {one: _state(path) for one, path in sorted(read.items())}
    named = json.dumps([document, state], sort_keys=True).encode()
    last = _NOT_PLAIN.sub("-", uri.rstrip("/").rpartition("/")[2].lower()).strip("-")
    model = last[:_MODEL_CHARACTERS].strip("-") or "model"
    return f"eval-{model}-{hashlib.sha256(named).hexdigest()[:_DIGEST_CHARACTERS]}"


def _folder(uri: str, mirrors: Mapping[str, str]) -> Path | None:
    """Return the folder or the file that a URI names on this machine, None for another place."""
    place = mirrored(uri, mirrors).removeprefix(_FILE)
    return None if "://" in place else Path(place)


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Return the files below a path with their sizes and times of change, in order of name."""
    # prepare says it if there is no such path.
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [
        (str(file.relative_to(path)), (found := file.stat()).st_size, found.st_mtime_ns)
        for file in files
        if file.is_file()
    ]
