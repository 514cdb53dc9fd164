"""What the failure of a download from the hub means: an error with the place and the remedy.

A wrong name and a token that the hub does not accept are errors that a person must correct, so they
end the Job with its first pod. Everything that can pass is a source that does not answer. The
library hides most causes behind an error about its cache, so this module reads the causes of an
error, too. No message contains the text of the hub's answer, in which a signed URL can be.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Mapping

from isheep_worker.runtime.error_texts import describe
from isheep_worker.runtime.errors import (
    BadInputError,
    SourceRefusedError,
    SourceUnreachableError,
    WorkerError,
    causes,
)

MIRROR_ADVICE = "--mirror of isheep run, modelMirrors of the chart"
TOKEN = "the key `token` in the Secret of model.secretRef (or HF_TOKEN)"  # noqa: S105 (its place)
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
_BY_PROXY = re.compile(r"\b407\b")
_PROXY = (
    "the proxy does not accept the request without a valid user name and password; correct "
    "HTTPS_PROXY, or set NO_PROXY for the hub"
)
_REFUSALS: Mapping[int, str] = {
    401: f"the hub does not accept the token; correct {TOKEN}",
    403: (
        f"the token has no right to read the files; give it the right, or correct {TOKEN}; if the "
        "model has terms, accept them on the hub with the account of the token"
    ),
    407: _PROXY,
}
"""The remedies for statuses of an answer that stays the same until somebody acts."""
_BY_NAME: Mapping[str, str] = {
    "Timeout": "the answer took too long",
    "ProtocolError": "the connection broke",
    "ReadError": "the connection broke",
    "ConnectError": "no connection: check HF_ENDPOINT and the network of the pods",
}
"""What a part of the name of an error says. The names of the HTTP library have changed once."""


def hub_error(
    error: Exception, *, name: str, revision: str | None, field: str
) -> WorkerError | None:
    """Return the worker's error for an error of a download from the hub.

    Args:
        error: What the library has raised.
        name: The name of the model, `org/name`.
        revision: The revision that was asked for.
        field: The field of the spec with `storageUri` and `revision`.

    Returns:
        None if the disk of this machine has failed, and not the hub.
    """
    if any(isinstance(e, OSError) and e.errno in _OF_THE_DISK for e in causes(error)):
        return None
    return _wrong_name(error, name, revision, field) or _no_answer(error, name, field)


def _wrong_name(
    error: Exception, name: str, revision: str | None, field: str
) -> WorkerError | None:
    from huggingface_hub.errors import (  # noqa: PLC0415 (slow to import)
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    place = f"{field}.storageUri: hf://{name}"
    if isinstance(error, HFValidationError):
        return BadInputError(f"{place} is not a name that the hub allows; correct it")
    if isinstance(error, RevisionNotFoundError):
        return BadInputError(
            f"{field}.revision: hf://{name} has no revision {revision!r}; set a commit that exists"
        )
    if isinstance(error, GatedRepoError):
        return SourceRefusedError(
            f"{place} requires that you accept its terms; accept them on the hub and provide a "
            "token by model.secretRef (or HF_TOKEN)"
        )
    if isinstance(error, RepositoryNotFoundError):
        return BadInputError(
            f"{place} is not on the hub, or is private; correct the name, provide a token by "
            f"model.secretRef (or HF_TOKEN), or name a mirror of the model: {MIRROR_ADVICE}"
        )
    return None


def _no_answer(error: Exception, name: str, field: str) -> WorkerError:
    place = f"{field}.storageUri: hf://{name} could not be downloaded from the hub"
    status = _status(error)
    if status is not None and status in _REFUSALS:
        return SourceRefusedError(f"{place} (HTTP status {status}): {_REFUSALS[status]}")
    if any(_is_of_the_proxy(e) and _BY_PROXY.search(str(e)) for e in causes(error)):
        return SourceRefusedError(f"{place}: {_PROXY}")
    what = f"HTTP status {status}" if status is not None else _why(error)
    return SourceUnreachableError(
        f"{place} ({what}); try again later, or name a copy: {MIRROR_ADVICE}"
    )


def _status(error: Exception) -> int | None:
    """Return the status of the hub's answer, which the library often keeps in a cause."""
    found = (getattr(getattr(e, "response", None), "status_code", None) for e in causes(error))
    return next((status for status in found if isinstance(status, int)), None)


def _is_of_the_proxy(error: BaseException) -> bool:
    return type(error).__name__ == "ProxyError"


def _why(error: Exception) -> str:
    """Return why there is no answer, without any text of a server."""
    found = list(causes(error))
    if any(isinstance(e, socket.gaierror) or "[Errno -2]" in str(e) for e in found):
        return "its host name is not known: check HF_ENDPOINT and the DNS of the pods"
    if any(isinstance(e, ssl.SSLError) or "[SSL: " in str(e) for e in found):
        return "the connection is not secure: check HF_ENDPOINT and the certificate of the hub"
    if any(_is_of_the_proxy(e) for e in found):
        return "the proxy does not answer: check HTTPS_PROXY"
    if any(isinstance(e, ValueError) for e in found):
        return "the answer is not that of a hub: check HF_ENDPOINT and the proxy"
    names = " ".join(type(e).__name__ for e in found)
    for word, text in _BY_NAME.items():
        if word in names:
            return text
    return describe(found[-1], place=False)
