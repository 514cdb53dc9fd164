"""The causes that workers report, and those of the run itself.

The result of a worker is what the real worker makes of the error: `failure_of` gives the exit code,
the reason and the message, and `explained_error` the error of the store.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError
from huggingface_hub.errors import HfHubHTTPError

from isheep.store.s3_errors import explained_error
from isheep_worker.engines.interface import DeviceMemoryError
from isheep_worker.inputs.hub_errors import hub_error
from isheep_worker.inputs.model_files import ModelFilesError
from isheep_worker.inputs.seed_tasks import SeedTaskError
from isheep_worker.runtime.errors import PeerLostError
from isheep_worker.runtime.failures import failure_of

from ..harness.api import MERGE_PATCH
from ..harness.namespace_fixture import NamespaceFixture
from ..harness.pod_behaviour import Exit, Hold, OutOfMemory, WaitForStore
from ..harness.runs import Run
from .producing import FROM_REPORT, FROM_TRAIN, Producer, unplanned, with_pod

URI = "s3://bucket/some/prefix"
BEGAN = "2026-01-01T00:00:00Z"


def fails_with(error: Exception) -> Exit:
    """Return the end of a pod whose worker has met an error."""
    failure = failure_of(error)
    return Exit(failure.exit_code, failure.reason, failure.message)


def store_error(code: str, status: int) -> Exception:
    """Return the error of a store that has answered with a code of S3."""
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = ClientError(answer, "GetObject")  # type: ignore[arg-type]
    return explained_error(error, verb="read", key="", uri=URI, retried_seconds=0)


def unsendable_secret() -> Exception:
    """Return the error of a credential that cannot be in a header of HTTP."""
    error = HTTPClientError(error=ValueError("Invalid header value"))
    return explained_error(error, verb="read", key="", uri=URI, retried_seconds=0)


def refused_token() -> Exception:
    """Return the error of a hub that has answered with the status 401."""
    answer: Any = SimpleNamespace(status_code=401, headers={}, request=None)
    error = HfHubHTTPError("401", response=answer)
    found = hub_error(error, name="org/model", revision=None, field="model")
    assert found is not None
    return found


def unreachable_store() -> Exception:
    error = EndpointConnectionError(endpoint_url="http://s3.example.com")
    return explained_error(error, verb="read", key="", uri=URI, retried_seconds=300)


def few_instructions(namespace: NamespaceFixture) -> None:
    namespace.workers.yield_per_completion = 0.1
    namespace.create(Run().spec(instructions={"count": 80, "maxRounds": 2}))


def few_pairs(namespace: NamespaceFixture) -> None:
    namespace.create(Run().spec(selection={"minSamples": 8}).skip_to("i1/select"))


def late_run(namespace: NamespaceFixture) -> None:
    """Let a run be as old as a run that began long ago."""
    namespace.workers.set_behaviour("prepare", Hold())
    namespace.create(FROM_REPORT)
    namespace.until_running("prepare")
    path = f"{namespace.runs_path('run')}/status"
    patch = {"status": {"startTime": BEGAN}}
    namespace.api.must("PATCH", path, patch, content_type=MERGE_PATCH)


def older_run(namespace: NamespaceFixture) -> None:
    namespace.workers.set_behaviour("train", Hold(), run="older")
    namespace.create(FROM_TRAIN.named("older"))
    namespace.until_running("i1/train", "older")
    namespace.create(FROM_TRAIN)


ENDED: Mapping[str, Producer] = {
    "The store does not accept the credential.": with_pod(
        fails_with(store_error("InvalidAccessKeyId", 403))
    ),
    "The Secret of the store has a line break at its end.": with_pod(
        fails_with(unsendable_secret())
    ),
    "The hub does not accept the token.": with_pod(fails_with(refused_token())),
    "The bucket does not exist.": with_pod(fails_with(store_error("NoSuchBucket", 404))),
    "The store does not answer, and the worker tries again.": with_pod(
        WaitForStore(f"{URI} does not answer (EndpointConnectionError)"), stage="train"
    ),
    "The store has not answered a worker for five minutes.": with_pod(
        fails_with(unreachable_store()), stage="train"
    ),
    "The nodes of a training do not reach each other.": with_pod(
        fails_with(PeerLostError("node 0 did not reach node 1 within 600 s")),
        stage="train",
        run=FROM_TRAIN.spec(training={"numNodes": 2}),
    ),
    "The disk of the node is full.": with_pod(
        fails_with(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))), stage="train"
    ),
    "The worker was killed at its memory limit.": with_pod(OutOfMemory(), stage="train"),
    "The device memory is too small.": with_pod(
        fails_with(
            DeviceMemoryError(
                "training on rows of 1024 tokens does not fit the device's memory: lower "
                "training.maxLength or use a larger GPU"
            )
        ),
        stage="train",
    ),
    "The worker has a defect.": with_pod(
        fails_with(AssertionError("a part has no rows")), stage="train"
    ),
    "prepare cannot use the model.": with_pod(
        fails_with(ModelFilesError("/models/name/config.json: the file is missing"))
    ),
    "prepare cannot use the seed tasks.": with_pod(
        fails_with(SeedTaskError("seeds.jsonl, line 3: instruction is missing"))
    ),
}

OWN: Mapping[str, Producer] = {
    "Almost no instruction passes the rules.": few_instructions,
    "The selection keeps too few pairs.": few_pairs,
    "The deadline has passed.": late_run,
    "Another run executes the same stage.": older_run,
    "The run is suspended.": unplanned(suspend=True),
    "A source is a folder of one machine.": unplanned(model={"storageUri": "file:///models/name"}),
    "The storage is a folder of one machine.": unplanned(storage={"folder": {"path": "/store"}}),
}
