"""A benchmark in the store: the document that prepare writes, its data and its requests.

The digest of the document is in the key of each stage that evaluates or scores a model. The
document contains all that the requests depend on, and nothing of the run besides it: neither the
name that a user gave the benchmark nor its role. So all runs of a namespace with the same model and
the same benchmark share the evaluation of M(0).

lm-eval takes many seconds to import, so this module imports it only to load a task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from isheep.contract.choices import PromptFormat
from isheep_worker.evaluation.data import TaskFiles
from isheep_worker.evaluation.drawing import Share
from isheep_worker.evaluation.requests import RenderedRequest, request_of, request_row
from isheep_worker.evaluation.settings import BenchmarkSettings
from isheep_worker.inputs.stored_inputs import Inputs

if TYPE_CHECKING:
    from isheep_worker.evaluation.benchmark import Benchmark

_SCHEMA = 1
_DATA = "the benchmark's data"
Digests: TypeAlias = Mapping[PromptFormat, str]


@dataclass(frozen=True, slots=True)
class StoredBenchmark:
    """What the store has of a benchmark.

    `settings` are those of all prompt formats, so its own format means nothing. `data` has the
    digest of each file by its path. `requests` has the digest of the requests by prompt format, and
    `texts` is the digest of the texts of all items.
    """

    settings: BenchmarkSettings
    is_folder: bool
    data: Mapping[str, str]
    requests: Digests
    texts: str


def put_benchmark(
    inputs: Inputs,
    settings: BenchmarkSettings,
    files: TaskFiles,
    requests: Mapping[PromptFormat, Sequence[RenderedRequest]],
    texts: Iterable[str],
) -> str:
    """Write a benchmark into the store; return the digest of its document."""
    document = {
        "schemaVersion": _SCHEMA,
        "settings": _settings_row(settings),
        "isFolder": files.is_folder,
        "data": {path: inputs.put(content) for path, content in sorted(files.files.items())},
        "requests": {name: inputs.put(dump_requests(requests[name])) for name in sorted(requests)},
        "texts": inputs.put(dump_texts(texts)),
    }
    return inputs.put(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def get_benchmark(inputs: Inputs, digest: str) -> StoredBenchmark:
    """Return the document of a benchmark."""
    document = json.loads(inputs.get(digest))
    fields = dict(document["settings"])
    shares = tuple(Share(*share) for share in fields.pop("shares"))
    return StoredBenchmark(
        BenchmarkSettings(**fields, shares=shares),
        document["isFolder"],
        document["data"],
        document["requests"],
        document["texts"],
    )


def get_files(inputs: Inputs, stored: StoredBenchmark) -> TaskFiles:
    """Return the data of a benchmark."""
    files = {path: inputs.get(digest) for path, digest in stored.data.items()}
    return TaskFiles(_DATA, files, stored.is_folder)


def get_requests(
    inputs: Inputs, stored: StoredBenchmark, prompt_format: PromptFormat
) -> list[RenderedRequest]:
    """Return the requests of a benchmark in a prompt format, in order."""
    content = inputs.get(stored.requests[prompt_format])
    return [request_of(json.loads(line)) for line in content.splitlines()]


def load_stored(
    inputs: Inputs,
    stored: StoredBenchmark,
    prompt_format: PromptFormat,
    *,
    allow_code_execution: bool = False,
) -> Benchmark:
    """Load the tasks of a stored benchmark; the errors are those of `load_benchmark`."""
    from isheep_worker.evaluation.benchmark import load_benchmark  # noqa: PLC0415 (heavy)

    settings = replace(stored.settings, prompt_format=prompt_format)
    return load_benchmark(
        settings, get_files(inputs, stored), allow_code_execution=allow_code_execution
    )


def benchmark_texts(inputs: Inputs, digest: str) -> Iterator[str]:
    """Yield the texts of all items of a stored benchmark."""
    for line in inputs.get(get_benchmark(inputs, digest).texts).splitlines():
        yield json.loads(line)


def dump_texts(texts: Iterable[str]) -> bytes:
    """Return texts as lines of JSON, the form in which decontamination reads them."""
    return "".join(json.dumps(text) + "\n" for text in texts).encode()


def dump_requests(requests: Sequence[RenderedRequest]) -> bytes:
    """Return requests as lines of JSON."""
    return b"".join(_lines(requests))


def _lines(requests: Sequence[RenderedRequest]) -> Iterator[bytes]:
    for request in requests:
        row = json.dumps(request_row(request), sort_keys=True, separators=(",", ":"))
        yield row.encode() + b"\n"


def _settings_row(settings: BenchmarkSettings) -> dict[str, Any]:
    row = asdict(settings)
    del row["prompt_format"]
    row["shares"] = [[share.begin, share.end] for share in settings.shares]
    return row
