"""The errors of the hub's library, each as a real hub or proxy causes it, and what they mean."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from isheep.contract.reasons import Reason
from isheep.store.folder import FolderStore
from isheep_worker.inputs.hub_errors import hub_error
from isheep_worker.runtime.errors import WorkerError
from isheep_worker.runtime.failures import failure_of

from .test_models import folders

SECRET = "https://files.example/weights?Signature=secret"
(TRANSPORT,) = (base for base in HfHubHTTPError.__bases__ if base is not OSError)


def broken(name: str, text: str = SECRET) -> Exception:
    """Return an error of the HTTP library that is no OSError, as of a connection or a proxy."""
    return type(name, (TRANSPORT,), {})(text)


def answered(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError) -> HfHubHTTPError:
    response = SimpleNamespace(status_code=status, headers={}, request=None)
    return kind(f"{status} for {SECRET}", response=response)


def hidden(cause: BaseException) -> LocalEntryNotFoundError:
    """Return the library's error about its cache, behind which most causes are."""
    error = LocalEntryNotFoundError(f"cannot find the files: {cause}")
    error.__cause__ = cause
    return error


def explained(error: Exception) -> WorkerError:
    found = hub_error(error, name="org/name", revision="r1", field="model")
    assert found is not None
    assert "Signature" not in str(found)
    return found


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (
            answered(401),
            Reason.SOURCE_REFUSED,
            "does not accept the token; correct",
        ),
        (hidden(answered(401)), Reason.SOURCE_REFUSED, "correct the key `token`"),
        (hidden(answered(403)), Reason.SOURCE_REFUSED, "the token has no right"),
        (hidden(answered(407)), Reason.SOURCE_REFUSED, "correct HTTPS_PROXY"),
        (
            broken("ProxyError", "407 Proxy Authentication Required"),
            Reason.SOURCE_REFUSED,
            "correct HTTPS_PROXY",
        ),
        (answered(401, GatedRepoError), Reason.SOURCE_REFUSED, "accept its terms"),
        (answered(401, RepositoryNotFoundError), Reason.BAD_INPUT, "not on the hub, or is private"),
        (answered(404, RevisionNotFoundError), Reason.BAD_INPUT, "model.revision: .* 'r1'"),
        (HFValidationError("org/na..me"), Reason.BAD_INPUT, "not a name that the hub allows"),
        (hidden(answered(503)), Reason.SOURCE_UNREACHABLE, "HTTP status 503"),
        (hidden(answered(429)), Reason.SOURCE_UNREACHABLE, "HTTP status 429"),
        (broken("ProxyError"), Reason.SOURCE_UNREACHABLE, "the proxy does not answer"),
        (broken("RemoteProtocolError"), Reason.SOURCE_UNREACHABLE, "the connection broke"),
        (hidden(broken("ReadTimeout")), Reason.SOURCE_UNREACHABLE, "took too long"),
        (hidden(broken("ConnectError")), Reason.SOURCE_UNREACHABLE, "no connection: check"),
        (
            hidden(broken("ConnectError", "[Errno -2] Name or service not known")),
            Reason.SOURCE_UNREACHABLE,
            "its host name is not known",
        ),
        (hidden(socket.gaierror(-2, "unknown")), Reason.SOURCE_UNREACHABLE, "host name"),
        (hidden(ssl.SSLError("expired")), Reason.SOURCE_UNREACHABLE, "not secure"),
        (json.JSONDecodeError("no", "<html>", 0), Reason.SOURCE_UNREACHABLE, "not that of a hub"),
        (OSError("other"), Reason.SOURCE_UNREACHABLE, "OSError"),
    ],
    ids=str,
)
def test_each_error_has_its_reason_and_remedy(error: Exception, reason: Reason, words: str) -> None:
    found = explained(error)
    assert found.reason == reason
    with pytest.raises(WorkerError, match=words):
        raise found


def test_a_full_disk_is_not_a_fault_of_the_hub() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert hub_error(hidden(full), name="org/name", revision=None, field="model") is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (broken("ProxyError", "407 Proxy Authentication Required"), Reason.SOURCE_REFUSED),
        (broken("RemoteProtocolError"), Reason.SOURCE_UNREACHABLE),
        (json.JSONDecodeError("no", "<html>", 0), Reason.SOURCE_UNREACHABLE),
        (OSError(errno.ENOSPC, "No space left on device"), Reason.DISK_FAILED),
    ],
    ids=str,
)
def test_no_failure_of_a_download_is_a_defect(
    error: Exception, reason: Reason, make_order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    models = folders(make_order, FolderStore(tmp_path), tmp_path, "hf://org/model")
    with pytest.raises((WorkerError, OSError)) as caught:
        models.base()
    assert failure_of(caught.value).reason == reason
